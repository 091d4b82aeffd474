"""Tokens of a provider, against its real key server."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from contracts.attester import AttesterContract
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from support import processes
from support.clocks import Clock
from support.issuers import config_text
from support.ports import free_ports
from support.provider import AUDIENCE, ISSUER, Provider, compact, jwk, private_key, provider, signed

from issuer.attesters import Account, Attester, Evidence
from issuer.attesters.config import JwtConfig
from issuer.attesters.jwks import KeySet, fetch_key_set
from issuer.attesters.jwt import MAX_TOKEN, JwtAttester
from issuer.errors import AttestationRefused, CredentialRefused

TIERS = {"standard": 20, "large": 200}
NOW = 1_764_000_000


def evidence(token: str) -> Evidence:
    return Evidence(CIMultiDict({"Authorization": f"Bearer {token}"}))


def attester(provider: Provider, clock: Clock | None = None, **more: Any) -> JwtAttester:
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": provider.server.url, "tier": "standard"}
    config = JwtConfig(**{**settings, **more})
    ages = Clock(0.0)
    keys = KeySet(
        lambda: fetch_key_set(config.jwks_url, None),
        fresh_seconds=config.refresh_seconds,
        stale_seconds=config.stale_seconds,
        interval_seconds=config.retry_seconds,
        clock=ages,
    )
    made = JwtAttester(config, TIERS, keys, clock=clock or time.time)
    made.ages = ages  # type: ignore[attr-defined]
    return made


@pytest.fixture
async def server() -> AsyncIterator[Provider]:
    async with provider() as running:
        yield running


class TestContract(AttesterContract):
    @pytest.fixture(autouse=True)
    def _provider(self, server: Provider) -> None:
        self.provider = server
        self.attesters: list[JwtAttester] = []

    def make(self) -> Attester:
        self.attesters.append(attester(self.provider))
        return self.attesters[-1]

    async def vouched(self) -> Evidence:
        return evidence(self.provider.token())

    async def wrong(self) -> Evidence:
        return evidence(self.provider.token(number=1))

    async def withdraw(self) -> None:
        """The provider replaces its key, and the copies have their age."""
        self.provider.publish(jwk("ES256", "two", 2))
        self.age(300)

    async def break_down(self) -> None:
        await self.provider.server.stop()
        self.age(86_400)

    def age(self, seconds: float) -> None:
        for one in self.attesters:
            one.ages.now += seconds  # type: ignore[attr-defined]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_each_algorithm(server: Provider, algorithm: str) -> None:
    server.publish(jwk("ES256", "other", 1), jwk(algorithm, "one"))
    async with attester(server) as one:
        account = await one.attest(evidence(server.token(algorithm)))
    assert account.quota == 20
    assert len(server.server.asked) == 1


async def test_an_algorithm_that_is_not_on_the_list(server: Provider) -> None:
    async with attester(server, algorithms=("RS256", "EdDSA")) as one:
        with pytest.raises(CredentialRefused):
            await one.attest(evidence(server.token("ES256")))
    assert server.server.asked == []


def public_pem(algorithm: str) -> bytes:
    return (
        private_key(algorithm)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def by_hand(header: dict[str, Any] | bytes, secret: bytes | None = None, **claims: Any) -> str:
    """Return a token with any header, its signature an HMAC under `secret`, or none."""
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 300, **claims}
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = json.dumps(whole).encode()
    signed = compact(head, body, b"x").rpartition(".")[0].encode()
    return compact(head, body, hmac.digest(secret, signed, "sha256") if secret else b"x")


@pytest.mark.parametrize(
    "token",
    [
        by_hand({"alg": "none", "kid": "one"}),
        by_hand({"alg": "none", "kid": "one"}).rpartition(".")[0] + ".",
        by_hand({"alg": "NONE", "kid": "one"}),
        by_hand({"alg": "HS256", "kid": "one"}, public_pem("ES256")),
        by_hand({"alg": "HS256", "kid": "one"}, public_pem("RS256")),
        by_hand({"alg": "ES256", "kid": "one"}, public_pem("ES256")),
        by_hand({"alg": ["ES256"], "kid": "one"}),
        by_hand({"alg": {}, "kid": "one"}),
        by_hand({"kid": "one"}),
        by_hand({"alg": "ES256"}),
        by_hand({"alg": "ES256", "kid": 1}),
        by_hand({"alg": "ES256", "kid": None}),
        by_hand(b"[]"),
        by_hand(b"{"),
        by_hand(b'{"alg":NaN}'),
        by_hand(b"\xff"),
        by_hand(b"[" * 5000),
        "a.b.c",
        "a.b",
        "..",
        "....",
        "e30.e30.e30",
        "e30.e30.e3 0",
        "é.é.é",
    ],
)
async def test_what_is_no_signed_token_is_refused(server: Provider, token: str) -> None:
    server.publish(jwk("ES256", "one"), jwk("RS256", "rsa"))
    async with attester(server) as one:
        with pytest.raises(CredentialRefused):
            await one.attest(evidence(token))


async def test_the_key_decides_the_algorithm(server: Provider) -> None:
    """A key of one type under the id that a token of another names."""
    for algorithm, other in (("ES256", "RS256"), ("RS256", "EdDSA"), ("EdDSA", "ES256")):
        server.publish(jwk(other, "one"))
        async with attester(server) as one:
            with pytest.raises(CredentialRefused):
                await one.attest(evidence(server.token(algorithm)))


async def test_a_key_in_the_header_is_ignored(server: Provider) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "mallory", "exp": time.time() + 300}
    own = {"kid": "one", "jwk": jwk("ES256", "one", 7), "jku": "https://mallory.example/jwks.json"}
    token = jwt.encode(claims, private_key("ES256", 7), "ES256", headers=own)
    async with attester(server) as one:
        with pytest.raises(CredentialRefused):
            await one.attest(evidence(token))


@pytest.mark.parametrize(
    "header", [{"crit": ["b64"], "b64": False}, {"crit": []}, {"typ": "logout+jwt"}, {"typ": 1}]
)
async def test_headers_that_mean_something_else(server: Provider, header: dict[str, Any]) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": time.time() + 300}
    body = json.dumps(claims).encode()
    plain = {"alg": "EdDSA", "kid": "one"}
    server.publish(jwk("EdDSA", "one"))
    async with attester(server) as one:
        assert await one.attest(evidence(signed(json.dumps(plain).encode(), body)))
        with pytest.raises(CredentialRefused):
            await one.attest(evidence(signed(json.dumps(plain | header).encode(), body)))


async def test_a_member_that_comes_twice(server: Provider) -> None:
    server.publish(jwk("EdDSA", "one"))
    now = int(time.time())
    good = f'{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"alice","exp":{now + 300}'

    def token(header: str, claims: str) -> Evidence:
        return evidence(signed(header.encode(), claims.encode()))

    header = '{"alg":"EdDSA","kid":"one"'
    async with attester(server) as one:
        assert await one.attest(token(header + "}", good + "}"))
        for twice in (
            token(header + ',"alg":"EdDSA"}', good + "}"),
            token(header + ',"kid":"one"}', good + "}"),
            token(header + "}", good + ',"sub":"bob"}'),
            token(header + "}", good + f',"exp":{now + 400}}}'),
            token(header + "}", good + ',"more":{"a":1,"a":2}}'),
        ):
            with pytest.raises(CredentialRefused):
                await one.attest(twice)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": NOW - 30},
        {"exp": "1999999999"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"nbf": NOW + 31},
        {"nbf": "now"},
        {"nbf": -(10**400)},
        {"iat": NOW + 31},
        {"iat": []},
        {"aud": None},
        {"aud": "another"},
        {"aud": ["another", {}]},
        {"aud": {AUDIENCE: 1}},
        {"iss": None},
        {"iss": "https://login.example/"},
        {"iss": [ISSUER]},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
)
async def test_claims_that_are_refused(server: Provider, claims: dict[str, Any]) -> None:
    server.publish(jwk("EdDSA", "one"))
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 60}
    bad = {name: value for name, value in {**good, **claims}.items() if value is not None}
    header = b'{"alg":"EdDSA","kid":"one"}'
    async with attester(server, Clock(NOW)) as one:
        assert await one.attest(evidence(signed(header, json.dumps(good).encode())))
        with pytest.raises(CredentialRefused):
            await one.attest(evidence(signed(header, json.dumps(bad).encode())))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 29},
        {"exp": NOW + 0.5},
        {"nbf": NOW + 30},
        {"iat": None},
        {"aud": ["another", AUDIENCE]},
        {"sub": "x" * 255},
        {"sub": "\ud800"},
    ],
)
async def test_claims_that_are_taken(server: Provider, claims: dict[str, Any]) -> None:
    settings = {"iat": NOW, "exp": NOW + 60, **claims}
    async with attester(server, Clock(NOW)) as one:
        account = await one.attest(evidence(server.token(**settings)))
    account.id.encode()


async def test_a_token_that_is_too_long(server: Provider) -> None:
    async with attester(server) as one:
        with pytest.raises(CredentialRefused):
            await one.attest(evidence(server.token(more="x" * MAX_TOKEN)))
        assert await one.attest(evidence(server.token(more="x" * 5_000)))


async def test_accounts_are_those_of_the_claim_and_the_issuer(server: Provider) -> None:
    async def account(token: str, **settings: Any) -> Account:
        async with attester(server, **settings) as one:
            return await one.attest(evidence(token))

    by_sub = await account(server.token(email="a@example"))
    assert by_sub.id != (await account(server.token(sub="bob"))).id
    assert by_sub.id == (await account(server.token(email="b@example"))).id
    by_mail = await account(server.token(email="a@example"), account_claim="email")
    assert by_mail.id == (await account(server.token(sub="bob", email="a@example"), account_claim="email")).id
    assert by_mail.id not in {by_sub.id, (await account(server.token(sub="a@example"))).id}
    elsewhere = await account(server.token(iss="https://other.example"), issuer="https://other.example")
    assert elsewhere.id != by_sub.id


@pytest.mark.parametrize(
    ("plan", "tier", "quota"),
    [
        ("pro", "standard", 200),
        (["free", "pro"], "standard", 200),
        ("free", "standard", 20),
        (None, "standard", 20),
        ({"pro": 1}, "standard", 20),
        ([{}, []], "standard", 20),
        ("pro", None, 200),
        ("free", None, None),
        (None, None, None),
    ],
)
async def test_tiers(server: Provider, plan: object, tier: str | None, quota: int | None) -> None:
    async with attester(server, tier=tier, tier_claim="plan", tier_map={"pro": "large"}) as one:
        if quota is None:
            with pytest.raises(CredentialRefused):
                await one.attest(evidence(server.token(plan=plan)))
        else:
            assert (await one.attest(evidence(server.token(plan=plan)))).quota == quota


@pytest.mark.e2e
async def test_a_running_issuer_is_ready_when_it_has_keys(server: Provider, tmp_path: Path) -> None:
    await server.server.stop()
    port, admin_port = free_ports(2)
    table = f'kind = "jwt", issuer = "{ISSUER}", audience = "{AUDIENCE}", jwks_url = "{server.server.url}"'
    text = config_text(port=port, admin_port=admin_port).replace(
        'kind = "api-key", accounts = "accounts.json"', f"{table}, retry_seconds = 1"
    )
    role = await processes.start("issuer", text, tmp_path, admin_port=admin_port)
    try:
        await asyncio.wait_for(role.wait_ready(503), 30)
        await server.server.start()
        await asyncio.wait_for(role.wait_ready(), 30)
        headers = {"Authorization": f"Bearer {server.token()}", "Content-Type": "text/plain"}
        url = f"http://127.0.0.1:{port}/token-request"
        async with aiohttp.ClientSession() as session, session.post(url, headers=headers) as response:
            assert response.status == 415  # the token was taken
        assert await role.stop() == 0
    finally:
        if role.process.returncode is None:
            role.process.kill()
            await role.process.wait()
    assert "alice" not in role.output()


@given(st.text() | st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_garbage_is_refused(garbage: str | list[bytes]) -> None:
    token = garbage if isinstance(garbage, str) else compact(*garbage)

    async def fetch() -> bytes:
        return json.dumps({"keys": [jwk("ES256", "one")]}).encode()

    async def ask() -> None:
        keys = KeySet(fetch, fresh_seconds=1, stale_seconds=1, interval_seconds=1)
        config = JwtConfig(issuer=ISSUER, audience=AUDIENCE, jwks_url="http://127.0.0.1/")
        async with JwtAttester(config, {"standard": 1}, keys) as one:
            await one.attest(evidence(token))

    with pytest.raises(AttestationRefused):
        asyncio.run(ask())
