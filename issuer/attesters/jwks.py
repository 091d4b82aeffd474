"""A provider's public keys (JWK Set, RFC 7517): read, and kept as long as they may be used.

*Fresh* is a copy that is younger than `fresh_seconds`; then nothing is fetched. After that every
question tries to fetch, and the last good copy serves until it is `stale_seconds` old. A key id
that is not in the copy is a reason to fetch, too: the provider may have turned its keys over.
Whatever the reason, between the beginnings of two fetches lie `interval_seconds` at least, so
that invented key ids cannot make us hammer the provider.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Self

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from issuer.attesters.answers import ask
from issuer.errors import AttesterUnavailable
from tacita.errors import DecodeError
from tacita.net.upstream import Upstream
from tacita.net.urls import split

__all__ = ["JwksKey", "KeySet", "KeySetMalformed", "fetch_key_set", "parse_key_set"]

MAX_BYTES = 262_144
MAX_KEYS = 100
FETCH_SECONDS = 5.0

_MEDIA_TYPES = frozenset({"application/json", "application/jwk-set+json"})
_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
_SECRET = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_BITS = range(2048, 8193)


class KeySetMalformed(DecodeError):
    """The document is not a JWK Set that can be used."""

    clause = "RFC 7517, Section 5"


@dataclass(frozen=True, slots=True)
class JwksKey:
    """One key, for the one `algorithm` that fits its type: a token cannot choose another."""

    algorithm: str
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey = field(repr=False)


class _Document(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


def parse_key_set(document: bytes) -> dict[str, JwksKey]:
    """Return the signing keys in `document` by key id; what we cannot use is passed over (Section 5).

    Passed over are keys without an id, for other uses, types or algorithms, and weak RSA keys.

    Raises:
        KeySetMalformed: it is no JWK Set, too long, two keys have one id, or one shows its private half.
    """
    try:
        members = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise KeySetMalformed("The document is not a JWK Set; check the URL.") from None
    if len(members) > MAX_KEYS:
        raise KeySetMalformed(f"The JWK Set has more than {MAX_KEYS} keys.")
    keys: dict[str, JwksKey] = {}
    seen: set[str] = set()
    for member in members:
        if _SECRET & member.keys():
            raise KeySetMalformed(
                "The JWK Set publishes a private or symmetric key; whoever reads it can sign."
            )
        kid = member.get("kid")
        if not isinstance(kid, str):
            continue
        if kid in seen:
            raise KeySetMalformed("The JWK Set has two keys of one id; their tokens cannot be told apart.")
        seen.add(kid)
        key = _read(member)
        if key is not None:
            keys[kid] = key
    return keys


def _read(member: dict[str, Any]) -> JwksKey | None:
    kind, curve = member.get("kty"), member.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    algorithm = _ALGORITHMS.get((kind, curve))
    if algorithm is None or not _verifies(member, algorithm):
        return None
    try:
        public_key = jwt.PyJWK(member, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size not in _RSA_BITS:
        return None
    if isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return JwksKey(algorithm, public_key)
    return None


def _verifies(member: dict[str, Any], algorithm: str) -> bool:
    """Whether the key is for signatures with `algorithm`, where it says what it is for at all."""
    operations = member.get("key_ops", ["verify"])
    if member.get("use", "sig") != "sig" or member.get("alg", algorithm) != algorithm:
        return False
    return isinstance(operations, list) and "verify" in operations


async def fetch_key_set(url: str, tls: SSLContext | None) -> bytes:
    """GET the document at `url`. Raises `AttesterUnavailable` where there is none to be had."""
    origin, path = split(url)
    async with Upstream(origin, tls=tls, connections=1, connect_seconds=FETCH_SECONDS) as upstream:
        status, body = await ask(
            upstream,
            "GET",
            path,
            [(b"accept", b"application/jwk-set+json, application/json")],
            media_types=_MEDIA_TYPES,
            limit=MAX_BYTES,
            seconds=FETCH_SECONDS,
        )
    if status != 200:
        raise AttesterUnavailable
    return body


class KeySet:
    """The keys that `fetch` (a JWK Set document) last gave. Use as an async context manager.

    `clock` returns seconds that only ever grow.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        *,
        fresh_seconds: float,
        stale_seconds: float,
        interval_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._fresh = fresh_seconds
        self._stale = stale_seconds
        self._interval = interval_seconds
        self._clock = clock
        self._keys: Mapping[str, JwksKey] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def find(self, kid: str) -> JwksKey | None:
        """Return the key with the id `kid`; None: the provider has no such key.

        Raises:
            AttesterUnavailable: there is no copy that may still be used, or the key may be in a newer
                one that could not be fetched.
        """
        await self.check()
        if kid not in self._keys:
            await self._refresh()
            if kid not in self._keys and self._failed:
                raise AttesterUnavailable
        return self._keys.get(kid)

    async def check(self) -> None:
        """Fetch what is not fresh; raise `AttesterUnavailable` where no copy may be used any more."""
        if not self._younger_than(self._fresh):
            await self._refresh()
            if not self._younger_than(self._stale):
                raise AttesterUnavailable

    def _younger_than(self, seconds: float) -> bool:
        return self._fetched is not None and self._clock() - self._fetched < seconds

    async def _refresh(self) -> None:
        """Wait for the fetch that is under way, or for a new one, if it is time for that."""
        if self._fetching is None or self._fetching.done():
            now = self._clock()
            if self._tried is not None and now - self._tried < self._interval:
                return
            self._tried = now
            self._fetching = asyncio.create_task(self._load())
        # A task of its own: a client that goes away does not take it from the others who wait for it.
        await asyncio.shield(self._fetching)

    async def _load(self) -> None:
        began = self._clock()
        try:
            self._keys = parse_key_set(await self._fetch())
        except (AttesterUnavailable, KeySetMalformed):
            self._failed = True
        else:
            self._fetched, self._failed = began, False
