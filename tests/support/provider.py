"""An OpenID provider in small: keys, their JWK Set on a real server, and tokens, well made or not."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from support.json_server import JsonServer, json_server

__all__ = [
    "AUDIENCE",
    "ISSUER",
    "PrivateKey",
    "Provider",
    "compact",
    "jwk",
    "private_key",
    "provider",
    "signed",
]

ISSUER = "https://login.example"
AUDIENCE = "tacita"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_KINDS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def private_key(algorithm: str, number: int = 0) -> PrivateKey:
    """Return the key with this number, the same at each call."""
    return _generated(algorithm, number)


def signed(header: bytes, claims: bytes) -> str:
    """Return a token with exactly these parts under the key `EdDSA` 0 (libraries do not make bad ones)."""
    key = private_key("EdDSA")
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    signing_input = compact(header, claims, b"x").rpartition(".")[0]
    return compact(header, claims, key.sign(signing_input.encode()))


@cache
def _generated(algorithm: str, _number: int) -> PrivateKey:
    if algorithm == "RS256":
        return rsa.generate_private_key(65_537, 2048)
    return (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ES256"
        else ed25519.Ed25519PrivateKey.generate()
    )


def jwk(algorithm: str, kid: str | None, number: int = 0, **members: Any) -> dict[str, Any]:
    """Return a public key as a JWK, with further members; None takes one away."""
    own = json.loads(_KINDS[algorithm].to_jwk(private_key(algorithm, number).public_key()))
    own.pop("key_ops", None)
    return {name: value for name, value in {**own, "kid": kid, **members}.items() if value is not None}


def compact(header: bytes, claims: bytes, signature: bytes) -> str:
    """Return a JWS in its compact form (RFC 7515, Section 7.1), whatever its parts are."""
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, claims, signature))


class Provider:
    """`keys` is what its JWK Set holds."""

    def __init__(self, server: JsonServer) -> None:
        self.server = server
        self.publish(jwk("ES256", "one"))

    def publish(self, *keys: dict[str, Any]) -> None:
        """Publish these keys and no others."""
        self.server.says(200, json.dumps({"keys": keys}).encode())

    def token(
        self, algorithm: str = "ES256", *, kid: str | None = "one", number: int = 0, **claims: Any
    ) -> str:
        """Return a token for `alice` with further claims (None takes one away), signed."""
        now = int(time.time())
        whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice-of-the-canaries", "iat": now, "exp": now + 300}
        whole = {name: value for name, value in {**whole, **claims}.items() if value is not None}
        header = {} if kid is None else {"kid": kid}
        return jwt.encode(whole, private_key(algorithm, number), algorithm, headers=header)


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """Return a provider that is there until the end of the context."""
    async with json_server() as server:
        yield Provider(server)
