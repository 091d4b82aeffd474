"""From an account's credential to tokens: one request to the issuer, everything verified before it is kept.

The issuer learns the account, its address, and how many tokens; blinding keeps it from
ever knowing one of them again. Fetch at moments that have nothing to do with asking.

`fetch_batch` is what everybody uses: tokens of type 0x0002. `fetch_expiring` has tokens with an
expiry (0xDA7A), `fetch_credential` an anonymous credential (0xE5AC, experimental).
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

from tacita.client.endpoints import IssuerEndpoints
from tacita.client.errors import IssuanceRefused, QuotaUsedUp
from tacita.client.record import Recorder
from tacita.client.token_requests import ask, under_the_issuing_key
from tacita.client.trust import Trust
from tacita.client.wallet import ExpiringToken
from tacita.errors import ConfigError
from tacita.privacypass import batch, issuing
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse, GenericTokenResponse
from tacita.privacypass.directory import TokenKey
from tacita.privacypass.errors import IssuerMisbehaved
from tacita.privacypass.extensions import ExpirationPolicy
from tacita.privacypass.token import Token
from tacita.privacypass.types import arc, blind_rsa, partially_blind_rsa
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.service.keyfiles import read_secret

__all__ = [
    "BATCH",
    "fetch_batch",
    "fetch_credential",
    "fetch_expiring",
    "fetch_tokens",
    "read_credential",
]

BATCH = 100
"""Tokens in one exchange by default. One number for all clients, so that it tells nothing of a person."""

_SMALLER = (10, 1)
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

    Raises:
        CredentialRefused, QuotaUsedUp, IssuanceRefused: the issuer does not give any.
        IssuerMisbehaved: a signature is wrong, perhaps to mark this client: none of the batch is kept.
        DecodeError: the answer is not one to this batch: nothing is kept.
        UpstreamError: the issuer cannot be reached.
        SourcesDisagree, and the rest of `Trust.fetch`: the issuer refused its key, and the mirrors do not
            say which one is right.
    """

    async def attempt(listed: TokenKey) -> list[Token]:
        key = blind_rsa.load_public_key(listed.public_key)
        made = [blind_rsa.request(trust.challenge.encode(), key) for _ in range(count)]
        answer = await ask(
            issuer,
            credential,
            GenericBatchTokenRequest(tuple(request.encode() for request, _ in made)).encode(),
            request_type=batch.REQUEST_MEDIA_TYPE,
            response_type=batch.RESPONSE_MEDIA_TYPE,
            recorder=recorder,
        )
        return _verified(answer, [pending for _, pending in made])

    return await under_the_issuing_key(trust, blind_rsa.TOKEN_TYPE, attempt, clock)


def _verified(answer: bytes, pending: list[blind_rsa.Pending]) -> list[Token]:
    granted = GenericBatchTokenResponse.decode(answer, limit=len(pending)).token_responses
    if len(granted) != len(pending):
        raise IssuanceRefused("The issuer answered for another number of tokens than it was asked for.")
    tokens = [
        blind_rsa.finalize(mine, _response(one))
        for one, mine in zip(granted, pending, strict=True)
        if one is not None
    ]
    if not tokens:
        raise IssuanceRefused("The issuer granted none of the tokens.")
    return tokens


def _response(one: GenericTokenResponse) -> blind_rsa.TokenResponse:
    if one.token_type != blind_rsa.TOKEN_TYPE:
        raise IssuerMisbehaved("The issuer answered with another type of token; all of them were dropped.")
    return blind_rsa.TokenResponse.decode(one.token_response)


async def fetch_expiring(
    issuer: IssuerEndpoints,
    trust: Trust,
    credential: str,
    policy: ExpirationPolicy,
    count: int = 1,
    *,
    recorder: Recorder | None = None,
    clock: Callable[[], float] = time.time,
) -> list[ExpiringToken]:
    """Ask for `count` tokens of type 0xDA7A, one after the other: no batch has a place for them.

    `policy` is the issuer's; all of its clients ask for the same expiry at a time. What the issuer refuses
    after the first token is not asked for again: return what there is. Raises as `fetch_tokens`.
    """
    challenge = trust.challenge_for(partially_blind_rsa.TOKEN_TYPE)

    async def attempt(listed: TokenKey) -> ExpiringToken:
        key = partially_blind_rsa.load_public_key(listed.public_key)
        extensions = policy.choose(clock())
        request, pending = partially_blind_rsa.request(challenge.encode(), key, extensions)
        answer = await ask(
            issuer,
            credential,
            request.encode(),
            request_type=issuing.REQUEST_MEDIA_TYPE,
            response_type=issuing.RESPONSE_MEDIA_TYPE,
            recorder=recorder,
        )
        response = partially_blind_rsa.TokenResponse.decode(answer)
        return ExpiringToken(partially_blind_rsa.finalize(pending, response), extensions)

    tokens: list[ExpiringToken] = []
    while len(tokens) < count:
        try:
            tokens.append(await under_the_issuing_key(trust, partially_blind_rsa.TOKEN_TYPE, attempt, clock))
        except QuotaUsedUp:
            if not tokens:
                raise
            break
    return tokens


async def fetch_credential(
    issuer: IssuerEndpoints,
    trust: Trust,
    credential: str,
    challenge: CredentialChallenge | None = None,
    *,
    recorder: Recorder | None = None,
    clock: Callable[[], float] = time.time,
) -> arc.Credential:
    """Ask for an anonymous credential of type 0xE5AC (experimental) and return it, verified.

    It is for `challenge`, by default the published one with no context. Costs the account as many tokens as
    the credential can be presented. Give it to `Wallet.add_credential`, and nowhere else.

    Raises:
        IssuerMisbehaved: the answer was not made with the published key: nothing is kept.
        CredentialRefused, QuotaUsedUp, …: as `fetch_tokens`.
    """
    wanted = challenge or trust.credential_challenge()

    async def attempt(listed: TokenKey) -> arc.Credential:
        request, pending = arc.request(wanted.encode(), arc.load_public_key(listed.public_key))
        answer = await ask(
            issuer,
            credential,
            request.encode(),
            request_type=arc.REQUEST_MEDIA_TYPE,
            response_type=arc.RESPONSE_MEDIA_TYPE,
            recorder=recorder,
        )
        return arc.finalize(pending, arc.TokenResponse.decode(answer))

    return await under_the_issuing_key(trust, arc.TOKEN_TYPE, attempt, clock)
