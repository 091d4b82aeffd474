"""The mirrors: everybody is shown the same bytes, and nobody is marked by how (RFC 9576, Section 6.2).

A key, challenge or directory that only some are shown tells them apart afterwards. So each mirror is
asked as several visitors, and all of them are compared with each other and with the origin.
"""

import asyncio
import base64
import hashlib
from collections.abc import Iterable

from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import OURS, Check, check
from tacita.client.doctor.plain import MARKS, require_absent
from tacita.client.doctor.subject import DOCUMENTS, Mirror
from tacita.client.doctor.verdicts import NotApplicable, Untried, Wrong
from tacita.client.doctor.visitor import Answer
from tacita.net.documents import lifetime
from tacita.net.upstream import UpstreamError
from tacita.ohttp import media
from tacita.privacypass import directory

__all__ = ["CHECKS"]

_MEDIA_TYPES = {
    "gateway_keys": media.KEYS,
    "challenge": "application/json",
    "issuer_directory": directory.MEDIA_TYPE,
}

_VISITORS = (
    ((b"cookie", b"visitor=1"), (b"user-agent", b"one"), (b"accept-language", b"eo")),
    ((b"if-none-match", b'"sha256-00"'), (b"user-agent", b"two"), (b"referer", b"https://visitor.invalid/")),
)
"""What two further visitors show of themselves, beside the first one that shows nothing."""

_VARYING = frozenset({b"date", b"age", b"cache-control", b"connection", b"keep-alive"})
"""Fields that differ with the time, which is the same for everybody, or the connection."""

_TRIES = 3
_SECONDS_BETWEEN = 1.0
"""Mirrors refresh at their own times: a difference that lasts no longer is none."""

_SLACK = 2
"""Seconds by which two rounded ages may differ."""


@check("mirror.documents", "each mirror gives all documents under their media types", OURS)
async def _documents(case: Case) -> str:
    mirrors = await _mirrors(case)
    for mirror in mirrors:
        for name in DOCUMENTS:
            answer = await case.get(mirror.url(name))
            if answer.status != 200:
                raise Wrong(f"{mirror.name} answers {answer.status} for {name}, not 200.")
            if answer.media_type != _MEDIA_TYPES[name] or answer.value("content-encoding"):
                raise Wrong(f"{mirror.name} gives {name} under another media type or coding.")
    return f"{len(mirrors)} mirrors"


@check("mirror.same-for-all", "whoever asks gets the same bytes and fields", "RFC 9576, Section 6.2")
async def _same(case: Case) -> str:
    fetched = 0
    for mirror, name, first in await _copies(case):
        for visitor in _VISITORS:
            again = await case.visitor.ask("GET", mirror.url(name), visitor)
            fetched += 1
            if (again.status, again.body) != (first.status, first.body):
                raise Wrong(
                    f"SPLIT VIEW: {mirror.name} shows {name} {_digest(first)} to one visitor and "
                    f"{_digest(again)} to another."
                )
            if _kept(again) != _kept(first):
                raise Wrong(f"{mirror.name} gives {name} with other header fields to another visitor.")
    return f"{fetched} further fetches by other visitors"


@check("mirror.agreement", "all mirrors show the same documents", "RFC 9576, Section 6.2")
async def _agreement(case: Case) -> str:
    mirrors = await _mirrors(case)
    if len(mirrors) < 2:
        raise NotApplicable("There is one mirror only; name a second one, which others run.")
    shown = []
    for name in DOCUMENTS:
        copies = {mirror.name: _digest(await _good(case, mirror, name)) for mirror in mirrors}
        for _ in range(_TRIES - 1):
            if len(set(copies.values())) == 1:
                break
            await asyncio.sleep(_SECONDS_BETWEEN)
            copies = {
                mirror.name: _digest(await case.visitor.ask("GET", mirror.url(name))) for mirror in mirrors
            }
        if len(set(copies.values())) > 1:
            listed = "; ".join(f"{who} shows {digest}" for who, digest in copies.items())
            raise Wrong(f"SPLIT VIEW of {name}: {listed}.")
        shown.append(f"{name} {next(iter(copies.values()))}")
    return ", ".join(shown)


@check("mirror.origin", "mirrors show what gateway and issuer publish", OURS)
async def _origin(case: Case) -> str:
    compared = set()
    for mirror, name, copy in await _copies(case):
        url = case.subject.origin(name)
        if url is None or (original := await case.get(url)).status != 200:
            continue
        compared.add(name)
        if copy.body != original.body:
            raise Wrong(
                f"{mirror.name} shows {name} {_digest(copy)}, its origin {_digest(original)}; right after a "
                "change, wait until the mirror has refreshed."
            )
    return _listed(compared, "Neither gateway nor issuer is examined beside the mirrors.")


@check("mirror.etag", "an entity tag is the digest of the document, not of the visitor", OURS)
async def _etag(case: Case) -> str:
    tagged = set()
    for mirror, name, copy in await _copies(case):
        if etag := copy.value("etag"):
            tagged.add(name)
            digest = hashlib.sha256(copy.body).digest()
            if digest.hex() not in etag and base64.b64encode(digest).decode() not in etag:
                raise Wrong(
                    f"{mirror.name} has an ETag for {name} that is not its SHA-256: it can be a cookie."
                )
    return _listed(tagged, "No mirror gives an entity tag.")


@check(
    "mirror.not-modified",
    "whoever has a document is told so: 304, without content",
    "RFC 9110, Section 13.1.2",
)
async def _not_modified(case: Case) -> str:
    asked = set()
    for mirror, name, copy in await _copies(case):
        if etag := copy.value("etag"):
            asked.add(name)
            known = ((b"if-none-match", etag.encode("latin-1")),)
            answer = await case.visitor.ask("GET", mirror.url(name), known)
            if answer.status != 304 or answer.body:
                raise Wrong(f"{mirror.name} answers {answer.status} for {name} to whoever has it, not 304.")
    return _listed(asked, "No mirror gives an entity tag.")


@check(
    "mirror.content-digest",
    "Content-Digest, where it is given, is that of the content",
    "RFC 9530, Section 2",
)
async def _content_digest(case: Case) -> str:
    given = set()
    for mirror, name, copy in await _copies(case):
        if said := copy.value("content-digest"):
            given.add(name)
            digest = base64.b64encode(hashlib.sha256(copy.body).digest()).decode()
            if "sha-256=" in said and f"sha-256=:{digest}:" not in said:
                raise Wrong(f"{mirror.name} gives a Content-Digest for {name} that is not its SHA-256.")
    return _listed(given, "No mirror gives a Content-Digest.")


@check("mirror.fields", "no document carries a field that marks whoever fetches it", OURS)
async def _fields(case: Case) -> None:
    for _, _, copy in await _copies(case):
        require_absent(copy, MARKS)


@check("mirror.lifetime", "no mirror lets a document be kept for longer than its origin does", OURS)
async def _lifetime(case: Case) -> str:
    compared = set()
    for mirror, name, copy in await _copies(case):
        url = case.subject.origin(name)
        if url is None or (original := await case.get(url)).status != 200:
            continue
        compared.add(name)
        if _fresh(copy) > _fresh(original) + _SLACK:
            raise Wrong(
                f"{mirror.name} lets {name} be kept for {_fresh(copy)} s, its origin {_fresh(original)} s."
            )
    return _listed(compared, "Neither gateway nor issuer is examined beside the mirrors.")


async def _mirrors(case: Case) -> list[Mirror]:
    """Return the mirrors; a relay's own only where it has one."""
    found = []
    for mirror in case.subject.mirrors:
        if mirror.of_relay:
            try:
                statuses = {(await case.get(mirror.url(name))).status for name in DOCUMENTS}
            except UpstreamError:
                raise Untried("The relay cannot be reached; try again later.") from None
            if 200 not in statuses:
                continue
        found.append(mirror)
    if not found:
        raise NotApplicable("The relay is no mirror, and no other was named.")
    return found


async def _copies(case: Case) -> list[tuple[Mirror, str, Answer]]:
    """Return each mirror's first copy of each document. Raises `Untried` where there is none."""
    return [
        (mirror, name, await _good(case, mirror, name))
        for mirror in await _mirrors(case)
        for name in DOCUMENTS
    ]


async def _good(case: Case, mirror: Mirror, name: str) -> Answer:
    answer = await case.get(mirror.url(name))
    if answer.status != 200:
        raise Untried(f"{mirror.name} does not give {name}.")
    return answer


def _digest(answer: Answer) -> str:
    if answer.status != 200:
        return f"nothing (status {answer.status})"
    return f"sha256-{hashlib.sha256(answer.body).hexdigest()[:16]}…"


def _kept(answer: Answer) -> list[tuple[bytes, bytes]]:
    return sorted(one for one in answer.fields if one[0] not in _VARYING)


def _fresh(answer: Answer) -> int:
    return lifetime(answer.value("cache-control"), answer.value("age"))


def _listed(names: Iterable[str], none: str) -> str:
    if not names:
        raise NotApplicable(none)
    return ", ".join(name for name in DOCUMENTS if name in names)


CHECKS: tuple[Check, ...] = (
    _documents,
    _same,
    _agreement,
    _origin,
    _etag,
    _not_modified,
    _content_digest,
    _fields,
    _lifetime,
)
