"""One token request to the issuer, and a second one where its key has just turned over.

When an answer is lost on its way the same body is sent once more: an issuer answers it again without
a second charge. A key that stopped issuing while the request was under way costs a new request
under the next key, once; the next key is one that both mirrors show, as ever.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tacita.client.endpoints import IssuerEndpoints
from tacita.client.errors import CredentialRefused, IssuanceRefused, QuotaUsedUp, speaking_of
from tacita.client.record import Party, Recorder
from tacita.client.trust import Trust
from tacita.net import tls
from tacita.net.upstream import Upstream, UpstreamLost, UpstreamResponse, UpstreamTimeout
from tacita.net.urls import split
from tacita.privacypass.directory import TokenKey
from tacita.privacypass.errors import NoUsableKey

__all__ = ["KeyTurnedOver", "ask", "under_the_issuing_key"]

_MAX_RESPONSE = 1 << 20
_TRIES = 2
_CLOCKS_DIFFER = 5.0
"""Seconds by which our clock and the issuer's may differ: so near a boundary either key may be the one."""

_Got = TypeVar("_Got")


class KeyTurnedOver(IssuanceRefused):
    """The issuer cannot grant what was asked for: most of the time its key has just stopped issuing."""

    clause = "RFC 9578, Section 5.2"


async def under_the_issuing_key(
    trust: Trust, token_type: int, attempt: Callable[[TokenKey], Awaitable[_Got]], now: Callable[[], float]
) -> _Got:
    """Return what `attempt` gets under the key of `token_type` that issues at UNIX time `now()`.

    Where the issuer refuses, the documents are fetched anew, from both mirrors, and `attempt` is made once
    more if they show that another key has its turn. It has to be one that `trust` lists, too, since
    whoever spends the tokens goes by that: keys are published a period ahead.

    Raises:
        NoUsableKey: there is no key of this type.
        KeyTurnedOver: the issuer refuses, and there is no other key to ask under.
        SourcesDisagree, and the rest of `Trust.fetch`: the mirrors do not give another answer.
    """
    key = trust.issuer.current_key(token_type, now())
    try:
        return await attempt(key)
    except KeyTurnedOver:
        other = await _other_key(trust, key, now)
        if other is None:
            raise
    return await attempt(other)


async def _other_key(trust: Trust, refused: TokenKey, now: Callable[[], float]) -> TokenKey | None:
    if trust.endpoints is None:
        return None
    fresh = await trust.again()
    if fresh.challenge != trust.challenge:
        return None
    for moment in (now() + _CLOCKS_DIFFER, now() - _CLOCKS_DIFFER):
        try:
            key = fresh.issuer.current_key(refused.token_type, moment)
        except NoUsableKey:
            continue
        if key != refused and key in trust.issuer.token_keys:
            return key
    return None


async def ask(
    issuer: IssuerEndpoints,
    credential: str,
    body: bytes,
    *,
    request_type: str,
    response_type: str,
    recorder: Recorder | None = None,
) -> bytes:
    """Send `body` under the account's `credential`, and return the body of the answer.

    Raises:
        CredentialRefused, QuotaUsedUp, IssuanceRefused: the issuer does not give any.
        KeyTurnedOver: it cannot grant what was asked for.
        UpstreamError: it cannot be reached.
    """
    fields = [
        (b"accept", response_type.encode()),
        (b"content-type", request_type.encode()),
        (b"authorization", b"Bearer " + credential.encode()),
    ]
    origin, path = split(issuer.token_request)
    context = tls.client_context() if origin.startswith("https:") else None
    with speaking_of("the issuer"):
        async with Upstream(origin, tls=context, connections=1) as upstream:
            for tries_left in reversed(range(_TRIES)):
                try:
                    async with upstream.request("POST", path, fields, body) as response:
                        _require_granted(response, response_type)
                        answer = await _read(response)
                except (UpstreamLost, UpstreamTimeout):
                    if not tries_left:
                        raise
                else:
                    break
            if recorder is not None:
                recorder.sent(Party.ISSUER, upstream.local_address, fields, body)
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


def _require_granted(response: UpstreamResponse, response_type: str) -> None:
    if response.status in {200, 206} and response.media_type == response_type:
        return
    match response.status:
        case 401 | 403:
            raise CredentialRefused("The issuer does not know this account; check the credential file.")
        case 429:
            raise QuotaUsedUp(f"The account has had its tokens for now; ask again {_when(response)}.")
        case 400 | 422:
            raise KeyTurnedOver("The issuer has turned its keys over, or does not give what was asked for.")
        case 415:
            raise IssuanceRefused("The issuer does not give tokens of this kind; ask its operator which.")
        case 502 | 503 | 504:
            raise IssuanceRefused("The issuer is not ready; try again later.")
    raise IssuanceRefused("The issuer answered with something else than tokens; check the endpoints.")
