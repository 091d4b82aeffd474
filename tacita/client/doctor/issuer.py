"""The issuer's answers to token requests that it must not grant (RFC 9578, Section 5.2).

Nothing here is granted by an issuer that is right, so nothing here costs a token.
"""

import hashlib
import secrets

from tacita.client.doctor import plain
from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, check
from tacita.client.doctor.plain import require_status
from tacita.client.doctor.verdicts import NotApplicable, Untried, Wrong
from tacita.client.doctor.visitor import Answer
from tacita.errors import TacitaError
from tacita.net.message import Field
from tacita.net.urls import origin_of
from tacita.privacypass import batch, issuing
from tacita.privacypass.directory import TokenKey
from tacita.privacypass.types import blind_rsa

__all__ = ["CHECKS", "authorized", "request_url"]

_SINGLE = (b"content-type", issuing.REQUEST_MEDIA_TYPE.encode())
_BATCH = (b"content-type", batch.REQUEST_MEDIA_TYPE.encode())


async def request_url(case: Case) -> str:
    """Return where token requests go: where the subject says, or else the directory, on the issuer's origin.

    The credential must reach nobody whom the person has not named, whatever a directory says.

    Raises:
        NotApplicable: the issuer is not examined.
        Untried: the directory is not there, or names another server.
    """
    if case.subject.token_request is not None:
        return case.subject.token_request
    if case.subject.issuer is None:
        raise NotApplicable("The issuer itself is not examined.")
    try:
        uri = (await case.directory()).issuer_request_uri
        here = origin_of(uri) == origin_of(case.subject.issuer)
    except TacitaError:
        raise Untried("The directory does not say where tokens are asked for.") from None
    if not here:
        raise Untried(
            "The directory sends token requests to another server than was named; nothing is sent there."
        )
    return uri


def authorized(case: Case) -> Field:
    """Return the field that names the account. Raises `NotApplicable` where there is none."""
    if case.credential is None:
        raise NotApplicable("No account key was given.")
    return b"authorization", b"Bearer " + case.credential.encode()


@check("issuer.method", "a wrong method gets 405 with Allow", "RFC 9110, Section 15.5.6")
async def _method(case: Case) -> None:
    await plain.method_refused(case, "GET", await request_url(case), allowed="POST")


@check("issuer.path", "any other path gets 404, never a page", "RFC 9110, Section 15.5.5")
async def _path(case: Case) -> None:
    await plain.path_refused(case, "GET", await request_url(case))


@check("issuer.unauthenticated", "a request without a credential is refused", "RFC 6750, Section 3")
async def _unauthenticated(case: Case) -> None:
    body = await _unsignable(case)
    answer = await case.visitor.ask("POST", await request_url(case), [_SINGLE], body)
    require_status(answer, 401, 403)
    if answer.status == 401 and not answer.values("www-authenticate"):
        raise Wrong("It answered 401 without WWW-Authenticate.")


@check("issuer.media-type", "another media type gets 415", "RFC 9578, Section 5.2")
async def _media_type(case: Case) -> None:
    require_status(await _ask(case, (b"content-type", b"text/plain"), b"tokens"), 415)


@check(
    "issuer.length",
    "an announced length beyond all limits gets 413 before the content is sent",
    "RFC 9110, Section 15.5.14",
)
async def _length(case: Case) -> str:
    await _bad_batch(case)  # Whether the account key is taken at all.
    return await plain.length_refused(case, await request_url(case), _BATCH, authorized(case))


@check(
    "issuer.malformed",
    "a batch that is none gets 422",
    "draft-ietf-privacypass-batched-tokens-09, Section 6.2",
)
async def _malformed(case: Case) -> None:
    require_status(await _bad_batch(case), 400, 422)


async def _bad_batch(case: Case) -> Answer:
    return await case.once("bad batch", lambda: _ask(case, _BATCH, b"\0" * 7))


@check("issuer.unknown-key", "a request for a key that there is not gets 422", "RFC 9578, Section 5.2")
async def _unknown_key(case: Case) -> None:
    require_status(await _ask(case, _SINGLE, await _unsignable(case)), 400, 422)


@check("issuer.future-key", "a key that is published ahead does not issue yet", "RFC 9578, Section 4")
async def _future_key(case: Case) -> None:
    now = case.clock()
    keys = [key for key in await _keys(case) if key.not_before is not None and key.not_before > now + 5]
    if not keys:
        raise NotApplicable("No key is published ahead.")
    challenge = await case.challenge()
    wanted, _ = blind_rsa.request(challenge.encode(), blind_rsa.load_public_key(keys[0].public_key))
    answer = await _ask(case, _SINGLE, wanted.encode())
    case.fetched += answer.status == 200
    require_status(answer, 400, 422)


async def _ask(case: Case, media_type: Field, body: bytes) -> Answer:
    answer = await case.visitor.ask("POST", await request_url(case), [media_type, authorized(case)], body)
    if answer.status in {401, 403}:
        raise Untried("The issuer does not take the account key.")
    return answer


async def _unsignable(case: Case) -> bytes:
    """Return a request under a truncated key id that no listed key has."""
    taken = {hashlib.sha256(key.public_key).digest()[-1] for key in await _keys(case)}
    free = secrets.choice([number for number in range(256) if number not in taken])
    blinded = b"\0" + secrets.token_bytes(blind_rsa.AUTHENTICATOR_LENGTH - 1)
    return blind_rsa.TokenRequest(free, blinded).encode()


async def _keys(case: Case) -> list[TokenKey]:
    try:
        listed = (await case.directory()).token_keys
    except TacitaError:
        raise Untried("The directory cannot be read.") from None
    return [key for key in listed if key.token_type == blind_rsa.TOKEN_TYPE]


CHECKS: tuple[Check, ...] = (
    _method,
    _path,
    _unauthenticated,
    _media_type,
    _length,
    _malformed,
    _unknown_key,
    _future_key,
)
