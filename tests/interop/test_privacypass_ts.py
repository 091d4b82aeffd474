"""Against npm `@cloudflare/privacypass-ts`: its client at our issuer and gateway, ours at its issuer.

The scripts in `privacypass_ts` call the library; everything else here is our own, the issuer and the gateway
as processes. The library knows types 0x0001, 0x0002 and 0xDA7A, and generic batches of the first two.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from support import partially_blind, rsa
from support.both_issuers import (
    METADATA,
    MODULES,
    RISTRETTO,
    RSA,
    VOPRF,
    Issuer,
    gateway_for,
    our_issuer,
    their_issuer,
)
from support.certificates import self_signed
from support.gateways import AUTHORITY, Place, get, place_running
from support.javascript import Scripts

from tacita.bhttp import Response
from tacita.client.endpoints import IssuerEndpoints
from tacita.client.issuance import fetch_tokens
from tacita.client.trust import Trust
from tacita.crypto.signer import best_signer
from tacita.privacypass import auth, batch
from tacita.privacypass.auth import PrivateTokenChallenge
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import WELL_KNOWN, IssuerDirectory, TokenKey
from tacita.privacypass.extensions import ExpirationPolicy
from tacita.privacypass.issuing import REQUEST_MEDIA_TYPE, RESPONSE_MEDIA_TYPE
from tacita.privacypass.token import Token
from tacita.privacypass.types import partially_blind_rsa, voprf_p384
from tacita.wire import base64url

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("privacypass_ts")]

BOTH = pytest.mark.parametrize("token_type", [RSA, VOPRF], ids=["0x0002", "0x0001"])


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Scripts:
    return Scripts(Path(__file__).parent / "privacypass_ts", tmp_path_factory.mktemp("scripts"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate and its key: the library asks issuers over https only."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
async def ours(tmp_path: Path, certificate: tuple[Path, Path]) -> AsyncIterator[Issuer]:
    async with our_issuer(tmp_path, certificate) as running:
        yield running


@pytest.fixture
async def theirs(scripts: Scripts, certificate: tuple[Path, Path]) -> AsyncIterator[Issuer]:
    async with their_issuer(scripts, certificate) as running:
        yield running


@pytest.fixture(params=["ours", "theirs"])
async def either(
    tmp_path: Path, scripts: Scripts, certificate: tuple[Path, Path], request: pytest.FixtureRequest
) -> AsyncIterator[Issuer]:
    if request.param == "ours":
        running = our_issuer(tmp_path, certificate)
    else:
        running = their_issuer(scripts, certificate)
    async with running as issuer:
        yield issuer


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    async with place_running(folder) as running:
        yield running


def field(response: Response, name: bytes) -> bytes:
    (value,) = [value for key, value in response.head.fields if key == name]
    return value


# Their client at our issuer.


@BOTH
async def test_their_client_gets_a_token_from_our_issuer(
    scripts: Scripts, ours: Issuer, token_type: int
) -> None:
    key = ours.keys[token_type]
    offered = PrivateTokenChallenge(ours.challenge(token_type), key.public_key, 10)
    www_authenticate = auth.format_www_authenticate([offered]).decode()
    got = await scripts.run(
        "client.mjs",
        {"field": www_authenticate, "credential": ours.credential},
        environment=ours.environment,
    )
    token = ours.verify(Token.decode(bytes.fromhex(got["token"])))
    assert got["verified"] is (True if token_type == RSA else None)
    assert got["token_key_id"] == token.token_key_id.hex()
    # The key of the field is the one that the directory tells them to use now.
    assert got["listed"] is True
    for written in (got["authorization"], got["authorization_quoted"]):
        assert auth.parse_authorization(written.encode()) == token


async def test_they_read_in_our_directory_what_we_do(scripts: Scripts, ours: Issuer) -> None:
    ssl = False  # The certificate is made for this test.
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://{ours.name}{WELL_KNOWN}", ssl=ssl) as response,
    ):
        mine = IssuerDirectory.from_json(await response.read())
    offered = PrivateTokenChallenge(ours.challenge(), ours.keys[RSA].public_key)
    got = await scripts.run(
        "client.mjs",
        {"field": auth.format_www_authenticate([offered]).decode(), "credential": ours.credential},
        environment=ours.environment,
    )
    assert got["directory"]["url"] == mine.issuer_request_uri == f"https://{ours.name}/token-request"
    assert [
        TokenKey(one["token-type"], base64url.decode(one["token-key"]), one["not-before"])
        for one in got["directory"]["keys"]
    ] == list(mine.token_keys)
    for token_type in (RSA, VOPRF, RISTRETTO):
        ahead, present = (key for key in mine.token_keys if key.token_type == token_type)
        assert ahead.not_before is not None
        assert ahead.not_before > time.time()
        assert present == ours.keys[token_type]


@pytest.mark.parametrize(
    ("kinds", "misdirected", "status"),
    [
        ([RSA] * 10, [], 200),
        ([RSA] * 100, [], 200),
        ([VOPRF] * 3, [], 200),
        ([RSA, VOPRF, VOPRF, RSA, VOPRF], [], 200),
        ([RSA, VOPRF, RSA, VOPRF, RSA], [0, 3], 206),
        ([RSA, VOPRF], [0, 1], 400),
    ],
    ids=["0x0002", "a hundred", "0x0001", "mixed", "some of them", "none of them"],
)
async def test_their_generic_batch_at_our_issuer(
    scripts: Scripts, ours: Issuer, kinds: list[int], misdirected: list[int], status: int
) -> None:
    got = await scripts.run(
        "batch.mjs",
        {
            "issuer_name": ours.name,
            "credential": ours.credential,
            "challenges": [ours.challenge(kind).encode().hex() for kind in kinds],
            "misdirected": misdirected,
        },
        environment=ours.environment,
    )
    assert got["status"] == status
    if status == 400:
        assert (got["type"], got["tokens"]) == ("application/problem+json", [])
        return
    assert got["type"] == batch.RESPONSE_MEDIA_TYPE
    assert [index for index, token in enumerate(got["tokens"]) if token is None] == misdirected
    tokens = {
        index: ours.verify(Token.decode(bytes.fromhex(token)))
        for index, token in enumerate(got["tokens"])
        if token is not None
    }
    assert all(token.token_type == kinds[index] for index, token in tokens.items())
    assert len({token.nonce for token in tokens.values()}) == len(kinds) - len(misdirected)


# Header fields, and tokens that no network was needed for.


@BOTH
@pytest.mark.parametrize(
    ("context", "origins"),
    [(b"", (AUTHORITY,)), (bytes(range(32)), ()), (b"", ("a.example", "b.example:8443"))],
    ids=["ours", "context", "origins"],
)
async def test_each_reads_the_header_fields_of_the_other(
    scripts: Scripts, token_type: int, context: bytes, origins: tuple[str, ...]
) -> None:
    private = {RSA: rsa.private_key(0), VOPRF: voprf_p384.PrivateKey.generate()}
    published = {RSA: private[RSA].public_key.spki, VOPRF: private[VOPRF].public_key.encoding}
    challenge = TokenChallenge(token_type, "issuer.example", context, origins)
    other = TokenChallenge(RSA + VOPRF - token_type, "issuer.example:8443", context, origins)
    offered = [
        PrivateTokenChallenge(challenge, published[token_type], 10),
        PrivateTokenChallenge(other, published[other.token_type]),
    ]
    module = MODULES[token_type]
    request, pending = module.request(challenge.encode(), private[token_type].public_key)
    signer = best_signer(private[RSA]) if token_type == RSA else private[VOPRF]
    token = module.finalize(pending, module.issue([request], signer)[0])

    key = published[RSA] if token_type == RSA else private[VOPRF].to_bytes()
    got = await scripts.run(
        "origin.mjs",
        {
            "www_authenticate": auth.format_www_authenticate(offered).decode(),
            "authorization": auth.format_authorization(token).decode(),
            "token_type": token_type,
            "key": key.hex(),
        },
    )
    assert (got["verified"], got["damaged_verified"]) == (True, False)
    assert got["token"] == token.encode().hex()
    assert got["token_key_id"] == token.token_key_id.hex()
    for one, wanted in zip(got["challenges"], offered, strict=True):
        assert one["challenge"] == wanted.challenge.encode().hex()
        assert one["digest"] == wanted.challenge.digest().hex()
        assert one["issuer_name"] == wanted.challenge.issuer_name
        assert one["redemption_context"] == context.hex()
        assert tuple(one["origin_info"]) == origins
        assert one["token_key"] == (wanted.token_key or b"").hex()
        assert one["max_age"] == wanted.max_age
        for written in (one["plain"], one["quoted"]):
            assert auth.parse_www_authenticate(written.encode(), token_types=MODULES) == [wanted]


# Our client at their issuer.


async def post(issuer: Issuer, media_type: str, body: bytes) -> tuple[str, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{issuer.plain_url}/token-request", data=body, headers={"Content-Type": media_type}
        ) as response,
    ):
        assert response.status == 200
        return response.headers["Content-Type"], await response.read()


@BOTH
async def test_we_get_a_token_from_their_issuer(theirs: Issuer, token_type: int) -> None:
    module = MODULES[token_type]
    key = module.load_public_key(theirs.keys[token_type].public_key)
    request, pending = module.request(theirs.challenge(token_type).encode(), key)
    kind, body = await post(theirs, REQUEST_MEDIA_TYPE, request.encode())
    assert kind == RESPONSE_MEDIA_TYPE
    token = theirs.verify(module.finalize(pending, module.TokenResponse.decode(body)))
    assert token.token_key_id == key.key_id


async def test_we_get_a_mixed_batch_from_their_issuer(theirs: Issuer) -> None:
    kinds = [RSA, VOPRF, VOPRF, RSA]
    drawn = [
        MODULES[kind].request(
            theirs.challenge(kind).encode(), MODULES[kind].load_public_key(theirs.keys[kind].public_key)
        )
        for kind in kinds
    ]
    asked = GenericBatchTokenRequest(tuple(request.encode() for request, _ in drawn))
    kind, body = await post(theirs, batch.REQUEST_MEDIA_TYPE, asked.encode())
    assert kind == batch.RESPONSE_MEDIA_TYPE
    granted = GenericBatchTokenResponse.decode(body, limit=len(kinds)).token_responses
    for one, (_, pending), wanted in zip(granted, drawn, kinds, strict=True):
        assert one is not None
        assert one.token_type == wanted
        module = MODULES[wanted]
        theirs.verify(module.finalize(pending, module.TokenResponse.decode(one.token_response)))


# Public metadata: each client at the issuer of the other.


async def test_an_expiry_in_tokens_of_both_issuers(
    scripts: Scripts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    challenge = TokenChallenge(METADATA, "issuer.example", b"", (AUTHORITY,))
    expiry = ExpirationPolicy(3600, 86_400).choose(time.time())
    own = partially_blind.private_key()
    request, pending = partially_blind_rsa.request(challenge.encode(), own.public_key, expiry)
    (response,) = partially_blind_rsa.issue([request], partially_blind.signer())
    token = partially_blind_rsa.finalize(pending, response)
    async with our_issuer(tmp_path, certificate, ["partially-blind-rsa"]) as ours:
        key = ours.keys[METADATA].public_key
        got = await scripts.run(
            "metadata.mjs",
            {
                "challenge": challenge.encode().hex(),
                "extensions": expiry.encode().hex(),
                "url": f"https://{ours.name}/token-request",
                "key": key.hex(),
                "credential": ours.credential,
                "private_key": own.to_pem().decode(),
                "issuer_key": own.public_key.spki.hex(),
                "request": request.encode().hex(),
                "authorization": auth.format_authorization(token, expiry).decode(),
            },
            environment=ours.environment,
        )
    theirs = Token.decode(bytes.fromhex(got["token"]))
    partially_blind_rsa.verify(theirs, partially_blind_rsa.load_public_key(key), challenge.digest(), expiry)
    assert got["verified"] is True
    # Signing is deterministic: their issuer answers what ours does.
    assert got["response"] == response.encode().hex()
    assert got["read"] == {"token": token.encode().hex(), "extensions": expiry.encode().hex()}
    assert got["read_verified"] is True


# At our gateway.


async def test_what_our_client_gets_from_their_issuer_is_redeemed_at_our_gateway(
    theirs: Issuer, place: Place, tmp_path: Path
) -> None:
    async with gateway_for(theirs, place) as gateway:
        async with (
            aiohttp.ClientSession() as session,
            session.get(theirs.plain_url + WELL_KNOWN) as response,
        ):
            directory = IssuerDirectory.from_json(await response.read())
        assert directory.current_key(RSA, time.time()).public_key == theirs.keys[RSA].public_key
        endpoints = IssuerEndpoints(f"{theirs.plain_url}/token-request", tmp_path / "credential")
        trust = Trust(gateway.configs[0], theirs.challenge(), directory)
        tokens = await fetch_tokens(endpoints, trust, "anybody", 4)
        assert len({token.nonce for token in tokens}) == 4
        for token in tokens:
            paid = b"authorization", auth.format_authorization(theirs.verify(token))
            assert (await gateway.ask(get(paid))).head.status == 200
            assert (await gateway.ask(get(paid))).head.status == 401


async def test_their_client_answers_the_challenge_of_our_gateway(
    scripts: Scripts, place: Place, either: Issuer
) -> None:
    async with gateway_for(either, place) as gateway:
        for spelling in ("authorization", "authorization_quoted"):
            refusal = await gateway.ask(get())
            assert refusal.head.status == 401
            got = await scripts.run(
                "client.mjs",
                {
                    "field": field(refusal, b"www-authenticate").decode(),
                    "credential": either.credential,
                },
                environment=either.environment,
            )
            assert got["verified"] is True
            paid = b"authorization", got[spelling].encode()
            assert (await gateway.ask(get(paid))).head.status == 200
            assert (await gateway.ask(get(paid))).head.status == 401
        # The target never saw any of it.
        assert len(place.target.heads) == 2
        assert not any(b"PrivateToken" in head for head in place.target.heads)
