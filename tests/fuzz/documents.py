"""Documents and credentials that come from elsewhere: what mirrors show, providers, and their clients."""

import asyncio
import json
from collections.abc import Iterator
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from multidict import CIMultiDict
from support.fuzzing import canonical, pick, total

from issuer.attesters import Account, Evidence
from issuer.attesters.config import JwtConfig
from issuer.attesters.jwks import KeySet, parse_key_set
from issuer.attesters.jwt import JwtAttester
from relay import document
from tacita.client.trust import read_challenge
from tacita.crypto.hpke import Kem, PrivateKey
from tacita.ohttp import KeyConfig, keyconfig
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.types import arc
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.wire import base64url

_CHALLENGE = TokenChallenge(2, "issuer.example", b"", ("origin.example",))
_CHALLENGE_OF_ARC = TokenChallenge(arc.TOKEN_TYPE, "issuer.example", b"", ("origin.example",))

_AXIS = base64url.encode(bytes(31) + b"\1").rstrip("=")
_JWKS = (
    {"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": _AXIS, "use": "sig", "key_ops": ["verify"]},
    {"kty": "EC", "crv": "P-256", "kid": "2", "x": _AXIS, "y": _AXIS, "alg": "ES256"},
    {"kty": "RSA", "kid": "3", "n": base64url.encode(b"\xff" * 256).rstrip("="), "e": "AQAB"},
)


def _challenge(data: bytes) -> None:
    found = total(lambda body: read_challenge(body, "issuer.example"), data)
    assert found is None or (found.token_type, found.redemption_context) == (2, b"")


def _keys(data: bytes) -> None:
    if document.are_keys(data):
        # What the relay lets through as keys has their outer form; a reader passes over what it cannot use.
        total(keyconfig.decode_list, data)


def _purposes(data: bytes) -> None:
    if document.allows(data, ("target",)):
        assert b"target" in data


def _key_set(data: bytes) -> None:
    for key in (total(parse_key_set, data) or {}).values():
        assert key.algorithm in {"RS256", "ES256", "EdDSA"}


def _wallet(data: bytes) -> None:
    canonical(arc.Credential.decode, arc.Credential.encode, data)


@cache
def _provider() -> tuple[JwtAttester, Ed25519PrivateKey]:
    """Return an attester that has fetched its keys, and the private one of them."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = private.public_key().public_bytes_raw()
    document = {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": _segment(public)}]}

    async def fetch() -> bytes:
        return json.dumps(document).encode()

    keys = KeySet(fetch, fresh_seconds=300, stale_seconds=86_400, interval_seconds=30, clock=lambda: 0.0)
    asyncio.run(keys.check())
    config = JwtConfig(
        "https://p.example", "us", "https://p.example/keys", tier_claim="groups", tier_map={"a": "standard"}
    )
    return JwtAttester(config, {"standard": 10}, keys, clock=lambda: 1_700_000_000.0), private


def _segment(content: bytes) -> str:
    return base64url.encode(content).rstrip("=")


def _attest(token: str) -> None:
    evidence = Evidence(CIMultiDict({"Authorization": f"Bearer {token}"}))

    def run(_: bytes) -> Account:
        try:
            _provider()[0].attest(evidence).send(None)
        except StopIteration as end:
            account: Account = end.value
            return account
        raise AssertionError("it waits, though it has the keys")

    account = total(run, b"")
    assert account is None or account.id.isascii()


def _token(data: bytes) -> None:
    _attest(data.decode("utf-8", "surrogateescape"))


def _claims(data: bytes) -> None:
    head, _, claims = data.partition(b"\n")
    told = f"{_segment(head)}.{_segment(claims)}"
    _attest(f"{told}.{_segment(_provider()[1].sign(told.encode()))}")


_CHOICES = (_challenge, _keys, _purposes, _key_set, _wallet, _token, _claims)


def one(data: bytes) -> None:
    """Whoever writes a document or a credential, it says something or is refused by the tree."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    entry = {"challenge": base64url.encode(_CHALLENGE.encode())}
    yield b"\0" + json.dumps(entry).encode()
    yield b"\0" + json.dumps({"challenges": [entry, entry]}).encode()
    public = PrivateKey.derive(Kem.X25519, bytes(32)).public_key
    yield b"\1" + keyconfig.encode_list([KeyConfig(7, Kem.X25519, public, ((1, 1),))])
    yield b"\2" + b"\0\2\6target\1x"
    yield b"\3" + json.dumps({"keys": _JWKS}).encode()
    key = arc.PrivateKey.generate()
    request, pending = arc.request(CredentialChallenge(_CHALLENGE_OF_ARC).encode(), key.public_key)
    (response,) = arc.issue([request], key)
    yield b"\4" + arc.finalize(pending, response).encode()
    head = b'{"alg":"EdDSA","kid":"1"}'
    claims = b'{"iss":"https://p.example","aud":["us"],"exp":1700000009,"nbf":0,"sub":"x","groups":["a"]}'
    yield b"\6" + head + b"\n" + claims
    yield b"\5" + f"{_segment(head)}.{_segment(claims)}.{_segment(bytes(64))}".encode()
