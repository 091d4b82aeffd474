"""From a credential to tokens: one generic batch to the issuer, every token verified before it is kept.

The issuer learns the account, its address, and how many tokens; blinding keeps it from
ever knowing one of them again. Fetch at moments that have nothing to do with asking.
"""

import time
from collections.abc import Callable

from tacita.client.endpoints import IssuerEndpoints
from tacita.client.errors import CredentialRefused, IssuanceRefused, QuotaUsedUp
from tacita.client.record import Party, Recorder
from tacita.client.trust import Trust
from tacita.errors import LimitExceeded
from tacita.net.upstream import Upstream, UpstreamResponse
from tacita.net.urls import split
from tacita.privacypass import batch
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = ["fetch_tokens"]

_MAX_RESPONSE = 1 << 20


async def fetch_tokens(
    issuer: IssuerEndpoints,
    trust: Trust,
    credential: str,
    count: int,
    *,
    recorder: Recorder | None = None,
    clock: Callable[[], float] = time.time,
) -> list[Token]:
    """Ask for `count` tokens of the published challenge; return those that the issuer granted, at least one.

    Raises:
        CredentialRefused, QuotaUsedUp, IssuanceRefused: the issuer does not give any.
        IssuerMisbehaved: a signature is wrong, perhaps to mark this client: none of the batch is kept.
        UpstreamError: the issuer cannot be reached.
    """
    key = trust.issuing_key(clock())
    made = [blind_rsa.request(trust.challenge.encode(), key) for _ in range(count)]
    body = GenericBatchTokenRequest(tuple(request.encode() for request, _ in made)).encode()
    headers = [
        ("Accept", batch.RESPONSE_MEDIA_TYPE),
        ("Content-Type", batch.REQUEST_MEDIA_TYPE),
        ("Authorization", f"Bearer {credential}"),
    ]
    origin, path = split(issuer.token_request)
    async with (
        Upstream(origin, connections=1) as upstream,
        upstream.request("POST", path, headers, body) as response,
    ):
        answer = await _read(response)
        if recorder is not None:
            recorder.sent(Party.ISSUER, upstream.local_address, headers, body)
            recorder.received(Party.ISSUER, answer)
        _require_granted(response)
    granted = GenericBatchTokenResponse.decode(answer, limit=count).token_responses
    if len(granted) != count:
        raise IssuanceRefused("The issuer answered for another number of tokens than it was asked for.")
    tokens = [
        blind_rsa.finalize(pending, blind_rsa.TokenResponse.decode(one.token_response))
        for one, (_, pending) in zip(granted, made, strict=True)
        if one is not None
    ]
    if not tokens:
        raise IssuanceRefused("The issuer granted none of the tokens.")
    return tokens


async def _read(response: UpstreamResponse) -> bytes:
    body = b""
    async for piece in response.pieces():
        body += piece
        if len(body) > _MAX_RESPONSE:
            raise LimitExceeded("The issuer's answer is longer than any batch of tokens.")
    return body


def _require_granted(response: UpstreamResponse) -> None:
    match response.status:
        case 200 | 206 if response.media_type == batch.RESPONSE_MEDIA_TYPE:
            return
        case 401 | 403:
            raise CredentialRefused("The issuer does not know this account; check the credential file.")
        case 429:
            raise QuotaUsedUp("The account has had all its tokens for this period; wait until the next one.")
    raise IssuanceRefused(f"The issuer answered with status {response.status} instead of tokens.")
