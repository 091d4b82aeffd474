"""The issuer's directory: which keys there are, from when on, and for how long it may be kept (RFC 9578, 4).

One key issues and at most two redeem: with many of them alive, whoever holds a token of an old one
stands out. Keys are published ahead of their time and turn over at fixed moments, so that nobody has a
copy with other keys than anybody else.
"""

import hashlib
from collections import defaultdict

from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import OURS, Check, check
from tacita.client.doctor.plain import require_status
from tacita.client.doctor.verdicts import Missing, NotApplicable, Untried, Wrong
from tacita.client.doctor.visitor import Answer
from tacita.errors import ConfigError, TacitaError
from tacita.net.documents import lifetime
from tacita.net.urls import split
from tacita.privacypass import directory
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import blind_rsa

__all__ = ["CHECKS"]

_REDEEMABLE = 2
_SLACK = 2.0
"""Seconds by which our clock and the issuer's may differ."""


@check("directory.media-type", "the directory has its media type", "RFC 9578, Section 4")
async def _media_type(case: Case) -> None:
    if case.subject.issuer is not None:
        require_status(await case.get(case.subject.issuer), 200)
    answer = await _answer(case)
    if answer.media_type != directory.MEDIA_TYPE:
        raise Wrong(f"The directory has another media type than {directory.MEDIA_TYPE}.")


@check("directory.document", "the directory can be read", "RFC 9578, Section 4")
async def _document(case: Case) -> str:
    await _answer(case)
    return f"{len((await case.directory()).token_keys)} keys"


@check("directory.keys", "each key of type 0x0002 is an RSASSA-PSS key of 2048 bits", "RFC 9578, Section 6.5")
async def _keys(case: Case) -> str:
    listed = [key for key in (await _readable(case)).token_keys if key.token_type == blind_rsa.TOKEN_TYPE]
    if not listed:
        raise NotApplicable("There are no keys of type 0x0002.")
    for key in listed:
        blind_rsa.load_public_key(key.public_key)
    return f"{len(listed)} keys"


@check("directory.request-uri", "the URI for token requests is absolute: a mirror would change another", OURS)
async def _request_uri(case: Case) -> None:
    try:
        split((await _readable(case)).issuer_request_uri)
    except ConfigError:
        raise Wrong("The issuer-request-uri is not an absolute http or https URL.") from None


@check("directory.not-before", "each key says from when on it is used", OURS)
async def _not_before(case: Case) -> None:
    if any(key.not_before is None for key in (await _readable(case)).token_keys):
        raise Wrong("A key has no not-before.")


@check("directory.order", "keys stand newest first", OURS)
async def _order(case: Case) -> None:
    for keys in (await _by_type(case)).values():
        moments = [key.not_before for key in keys if key.not_before is not None]
        if moments != sorted(moments, reverse=True):
            raise Wrong("An older key stands before a newer one of the same type.")


@check("directory.issuing", "of each type one key issues now, and at most two redeem", OURS)
async def _issuing(case: Case) -> str:
    now = case.clock()
    counts = []
    for keys in (await _by_type(case)).values():
        moments = [key.not_before or 0 for key in keys]
        if min(moments) > now + _SLACK:
            raise Wrong("A type of token has no key that may issue now.")
        redeemable = sum(moment <= now - _SLACK for moment in moments)
        if redeemable > _REDEEMABLE:
            raise Wrong(f"{redeemable} keys of one type are redeemable: their holders can be told apart.")
        counts.append(redeemable)
    return f"{max(counts)} redeemable"


@check(
    "directory.truncated-ids",
    "no two live keys of a type share the last byte of their id",
    "RFC 9578, Section 6.1",
)
async def _truncated_ids(case: Case) -> None:
    for keys in (await _by_type(case)).values():
        last = {hashlib.sha256(key.public_key).digest()[-1] for key in keys}
        if len(last) != len(keys):
            raise Wrong("Two keys of one type have the same truncated id.")


@check("directory.lifetime", "no copy outlives the next turn of keys", OURS)
async def _lifetime(case: Case) -> str:
    answer = await _answer(case)
    now = case.clock()
    moments = [key.not_before or 0 for key in (await _readable(case)).token_keys]
    coming = [moment - now for moment in moments if moment > now]
    fresh = lifetime(answer.value("cache-control"), answer.value("age"))
    if not coming:
        raise NotApplicable("No key is published ahead, so that the next turn is not known.")
    if fresh > min(coming) + _SLACK:
        raise Wrong(f"A copy may be kept for {fresh} s, and the keys turn over in {min(coming):.0f} s.")
    return f"{fresh} s, and {min(coming):.0f} s to the next turn"


async def _answer(case: Case) -> Answer:
    try:
        return await case.document("issuer_directory")
    except Missing:
        raise NotApplicable("Nobody who is examined has the directory of an issuer.") from None


async def _readable(case: Case) -> IssuerDirectory:
    await _answer(case)
    try:
        return await case.directory()
    except Untried:
        raise
    except TacitaError:
        raise Untried("The directory cannot be read.") from None


async def _by_type(case: Case) -> dict[int, list[TokenKey]]:
    found: dict[int, list[TokenKey]] = defaultdict(list)
    for key in (await _readable(case)).token_keys:
        found[key.token_type].append(key)
    if not found:
        raise Wrong("The directory lists no key.")
    return found


CHECKS: tuple[Check, ...] = (
    _media_type,
    _document,
    _keys,
    _request_uri,
    _not_before,
    _order,
    _issuing,
    _truncated_ids,
    _lifetime,
)
