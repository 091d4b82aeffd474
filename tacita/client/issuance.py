"""From a credential to tokens: one generic batch to the issuer, every token verified before it is kept.

The issuer learns the account, its address, and how many tokens; blinding keeps it from
ever knowing one of them again. Fetch at moments that have nothing to do with asking.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

from tacita.client.endpoints import IssuerEndpoints
from tacita.client.errors import CredentialRefused, IssuanceRefused, QuotaUsedUp, speaking_of
from tacita.client.record import Party, Recorder
from tacita.client.trust import Trust
from tacita.errors import ConfigError
from tacita.net import tls
from tacita.net.upstream import Upstream, UpstreamLost, UpstreamResponse, UpstreamTimeout
from tacita.net.urls import split
from tacita.privacypass import batch
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse, GenericTokenResponse
from tacita.privacypass.errors import IssuerMisbehaved
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa
from tacita.service.keyfiles import read_secret

__all__ = ["BATCH", "fetch_batch", "fetch_tokens", "read_credential"]

BATCH = 100
"""Tokens in one exchange by default. One number for all clients, so that it tells nothing of a person."""

_SMALLER = (10, 1)
_MAX_RESPONSE = 1 << 20
_TRIES = 2
_CREDENTIAL = re.compile(rb"[A-Za-z0-9._~+/-]{1,4096}=*")
"""RFC 6750, Section 2.1: b64token."""


def read_credential(path: Path) -> str:
    """Return the account's credential in the file `path`.

    Raises:
        ConfigError: it is missing, readable by others, or holds something else.
    """
    content = read_secret(path, "the account's credential").strip()
    if not _CREDENTIAL.fullmatch(content):
        raise ConfigError(f"{path} holds no credential; ask the operator of the issuer for one.")
    return content.decode("ascii")


async def fetch_batch(
    issuer: IssuerEndpoints, trust: Trust, credential: str, *, recorder: Recorder | None = None
) -> list[Token]:
    """Ask for `BATCH` tokens, or for fewer where the account may not have so many any more.

    Raises as `fetch_tokens`.
    """
    for count in (BATCH, *_SMALLER):
        try:
            return await fetch_tokens(issuer, trust, credential, count, recorder=recorder)
        except QuotaUsedUp as error:
            refused = error
    raise refused


async def fetch_tokens(
    issuer: IssuerEndpoints,
    trust: Trust,
    credential: str,
    count: int = BATCH,
    *,
    recorder: Recorder | None = None,
    clock: Callable[[], float] = time.time,
) -> list[Token]:
    """Ask for `count` tokens of the published challenge; return those that the issuer granted, at least one.

    When the answer is lost on its way the same body is sent once more: an issuer answers it again
    without a second charge.

    Raises:
        CredentialRefused, QuotaUsedUp, IssuanceRefused: the issuer does not give any.
        IssuerMisbehaved: a signature is wrong, perhaps to mark this client: none of the batch is kept.
        DecodeError: the answer is not one to this batch: nothing is kept.
        UpstreamError: the issuer cannot be reached.
    """
    key = trust.issuing_key(clock())
    made = [blind_rsa.request(trust.challenge.encode(), key) for _ in range(count)]
    body = GenericBatchTokenRequest(tuple(request.encode() for request, _ in made)).encode()
    with speaking_of("the issuer"):
        answer = await _ask(issuer, credential, body, recorder)
    granted = GenericBatchTokenResponse.decode(answer, limit=count).token_responses
    if len(granted) != count:
        raise IssuanceRefused("The issuer answered for another number of tokens than it was asked for.")
    tokens = [
        blind_rsa.finalize(pending, _response(one))
        for one, (_, pending) in zip(granted, made, strict=True)
        if one is not None
    ]
    if not tokens:
        raise IssuanceRefused("The issuer granted none of the tokens.")
    return tokens


def _response(one: GenericTokenResponse) -> blind_rsa.TokenResponse:
    if one.token_type != blind_rsa.TOKEN_TYPE:
        raise IssuerMisbehaved("The issuer answered with another type of token; all of them were dropped.")
    return blind_rsa.TokenResponse.decode(one.token_response)


async def _ask(issuer: IssuerEndpoints, credential: str, body: bytes, recorder: Recorder | None) -> bytes:
    headers = [
        ("Accept", batch.RESPONSE_MEDIA_TYPE),
        ("Content-Type", batch.REQUEST_MEDIA_TYPE),
        ("Authorization", f"Bearer {credential}"),
    ]
    origin, path = split(issuer.token_request)
    context = tls.client_context() if origin.startswith("https:") else None
    async with Upstream(origin, tls=context, connections=1) as upstream:
        for tries_left in reversed(range(_TRIES)):
            try:
                async with upstream.request("POST", path, headers, body) as response:
                    _require_granted(response)
                    answer = await _read(response)
            except (UpstreamLost, UpstreamTimeout):
                if not tries_left:
                    raise
            else:
                break
        if recorder is not None:
            recorder.sent(Party.ISSUER, upstream.local_address, headers, body)
            recorder.received(Party.ISSUER, answer)
        return answer


async def _read(response: UpstreamResponse) -> bytes:
    body = bytearray()
    async for piece in response.pieces():
        body += piece
        if len(body) > _MAX_RESPONSE:
            raise IssuanceRefused("The issuer's answer is longer than any batch of tokens.")
    return bytes(body)


def _when(response: UpstreamResponse) -> str:
    """Say what Retry-After says (RFC 9110, Section 10.2.3), as far as it is a number of seconds."""
    seconds = response.value("Retry-After")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 7):
        return "later"
    minutes = -(-int(seconds) // 60)
    return f"in {minutes} min" if minutes < 120 else f"in {minutes // 60} h"


def _require_granted(response: UpstreamResponse) -> None:
    if response.status in {200, 206} and response.media_type == batch.RESPONSE_MEDIA_TYPE:
        return
    match response.status:
        case 401 | 403:
            raise CredentialRefused("The issuer does not know this account; check the credential file.")
        case 429:
            raise QuotaUsedUp(f"The account has had its tokens for now; ask again {_when(response)}.")
        case 422:
            raise IssuanceRefused("The issuer has turned its keys over, or gives no batch of this size.")
        case 502 | 503 | 504:
            raise IssuanceRefused("The issuer is not ready; try again later.")
    raise IssuanceRefused("The issuer answered with something else than tokens; check the endpoints.")
