"""The attester for signed tokens of a provider: `Authorization: Bearer <JWT>` (RFC 7519, RFC 8725).

A token is looked at in this order: its form, its header, the key that the header names, the
signature, and only then what it claims. The key and not the token decides the algorithm
(RFC 8725, Section 3.1), and keys come from the configured URL alone: `jwk`, `jku` and `x5u` in a
header are ignored. A member that comes twice is refused, since readers differ in which one counts.
"""

import json
import math
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Self

import jwt

from issuer.attesters import Account, Evidence
from issuer.attesters.bearer import bearer_credential
from issuer.attesters.config import JwtConfig
from issuer.attesters.jwks import JwksKey, KeySet
from issuer.errors import CredentialRefused
from issuer.tiers import Allowance

__all__ = ["MAX_TOKEN", "JwtAttester"]

MAX_TOKEN = 8_000
"""Characters. aiohttp takes header fields of at most 8,190 bytes."""

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Others, `logout+jwt` for one, are signed by the same keys for another purpose (RFC 8725, Section 3.11)."""

_SIGNATURES = jwt.PyJWS()

_MAX_ACCOUNT = 255
"""OpenID Connect Core, Section 2: `sub` has at most 255 characters."""


class JwtAttester:
    """Vouches for the subjects of tokens that a key of `keys` has signed, as `config` demands.

    `tiers` maps the name of a tier to its quota; `clock` returns UNIX seconds.
    """

    def __init__(
        self,
        config: JwtConfig,
        tiers: Mapping[str, Allowance],
        keys: KeySet,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._tiers = tiers
        self._keys = keys
        self._clock = clock

    async def __aenter__(self) -> Self:
        await self._keys.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._keys.__aexit__(*exc)

    async def attest(self, evidence: Evidence) -> Account:
        """Return the account that the token in `evidence` speaks for; see `Attester`."""
        token = bearer_credential(evidence.headers, longest=MAX_TOKEN)
        if not _FORM.fullmatch(token):
            raise CredentialRefused
        header_segment, claims_segment, _ = token.split(".")
        header = _members(header_segment)
        algorithm, kid = header.get("alg"), header.get("kid")
        kind = header.get("typ", "JWT")
        if algorithm not in self._config.algorithms or not isinstance(kid, str) or "crit" in header:
            raise CredentialRefused
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise CredentialRefused
        key = await self._keys.find(kid)
        if key is None or key.algorithm != algorithm or not _signed(token, key):
            raise CredentialRefused
        claims = _members(claims_segment)
        self._check(claims)
        return Account(self._account(claims), self._quota(claims))

    async def check(self) -> None:
        """Raise `AttesterUnavailable` unless there are keys to verify with; see `Attester`."""
        await self._keys.check()

    def _check(self, claims: Mapping[str, Any]) -> None:
        """Refuse what was not issued by the provider, for us, and for now (RFC 7519, Section 4.1)."""
        now, leeway = self._clock(), self._config.leeway_seconds
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._config.issuer or self._config.audience not in audiences:
            raise CredentialRefused
        if "exp" not in claims or now >= _moment(claims["exp"]) + leeway:
            raise CredentialRefused
        for name in ("nbf", "iat"):
            if name in claims and now < _moment(claims[name]) - leeway:
                raise CredentialRefused

    def _account(self, claims: Mapping[str, Any]) -> str:
        account = claims.get(self._config.account_claim)
        if not isinstance(account, str) or not 1 <= len(account) <= _MAX_ACCOUNT:
            raise CredentialRefused
        # The same subject of another provider would be somebody else. ASCII, whatever is in it.
        return json.dumps(["jwt", self._config.issuer, self._config.account_claim, account])

    def _quota(self, claims: Mapping[str, Any]) -> Allowance:
        tier = self._config.tier
        if self._config.tier_claim is not None:
            value = claims.get(self._config.tier_claim)
            values = value if isinstance(value, list) else [value]
            tier = next((tier for name, tier in self._config.tier_map.items() if name in values), tier)
        elif tier is None:
            (tier,) = self._tiers  # the configuration has only this one
        if tier is None:
            raise CredentialRefused
        return self._tiers[tier]


def _signed(token: str, key: JwksKey) -> bool:
    try:
        _SIGNATURES.decode(token, key.public_key, algorithms=[key.algorithm])
    except (jwt.PyJWTError, ValueError):
        return False
    return True


def _members(segment: str) -> dict[str, Any]:
    """Return the JSON object in `segment` (base64url without padding, no name twice)."""
    try:
        content = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        members = json.loads(content, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise CredentialRefused from None
    if not isinstance(members, dict):
        raise CredentialRefused
    return members


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise CredentialRefused
    return members


def _refuse(_constant: str) -> None:
    raise CredentialRefused  # NaN and Infinity are not JSON


def _moment(value: object) -> float:
    """Return a NumericDate. Python would read `1e999` as an infinity, which never passes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CredentialRefused
    try:
        moment = float(value)
    except OverflowError:
        raise CredentialRefused from None
    if not math.isfinite(moment):
        raise CredentialRefused
    return moment
