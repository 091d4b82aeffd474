"""The table `[attester]` of the issuer's configuration: its `kind` says which of these it is."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec

from tacita.net.urls import is_local, split
from tacita.service.config import Struct

__all__ = [
    "ApiKeyConfig",
    "AttesterConfig",
    "InvitationConfig",
    "JwtConfig",
    "MutualTlsConfig",
    "WebhookConfig",
]

_MAX_LEEWAY = 300
_MAX_HEADERS = 4


class _Kind(Struct, frozen=True, tag_field="kind"):
    """What the five have in common."""

    def check_tiers(self, tiers: Collection[str]) -> None:
        """Raise `ValueError` where accounts could not be given one of `tiers`."""
        if not tiers:
            raise ValueError("there is at least one tier")


class ApiKeyConfig(_Kind, frozen=True, tag="api-key"):
    """One API key for each account; a key's tier stands with its account."""

    accounts: Path
    """The accounts file, written by `tacita-issuer account`."""


class JwtConfig(_Kind, frozen=True, tag="jwt"):
    """Tokens of an OpenID provider, or any signed JWT (RFC 7519)."""

    issuer: str
    audience: str
    jwks_url: str
    """Where the provider publishes its keys (RFC 7517). https, or http on this machine."""
    jwks_authority: Path | None = None
    """The roots (PEM) that its TLS certificate hangs on, instead of the system's."""
    algorithms: tuple[Literal["RS256", "ES256", "EdDSA"], ...] = ("RS256", "ES256", "EdDSA")
    account_claim: str = "sub"
    tier: str | None = None
    """The tier of whoever `tier_map` says nothing about; without it such are refused."""
    tier_claim: str | None = None
    """A claim that is a string or a list of strings."""
    tier_map: dict[str, str] = msgspec.field(default_factory=dict)
    """From values of that claim to tiers; the first entry that fits counts."""
    leeway_seconds: int = 30
    refresh_seconds: int = 300
    """How old the copy of the keys may become before they are fetched again."""
    retry_seconds: int = 30
    """The shortest time between two fetches, whatever tokens come in."""
    stale_seconds: int = 86_400
    """How old the last good copy may become while the provider cannot be reached."""

    def __post_init__(self) -> None:
        """Refuse what could not be verified, or would let through what is long expired."""
        _refuse_plain_http(self.jwks_url)
        if not self.algorithms:
            raise ValueError("algorithms names at least one")
        if not 0 <= self.leeway_seconds <= _MAX_LEEWAY:
            raise ValueError(f"leeway_seconds is between 0 and {_MAX_LEEWAY}")
        if not 1 <= self.retry_seconds <= self.refresh_seconds <= self.stale_seconds <= 7 * 86_400:
            raise ValueError("retry_seconds <= refresh_seconds <= stale_seconds, between a second and a week")
        if bool(self.tier_map) != (self.tier_claim is not None):
            raise ValueError("tier_claim and tier_map go together")
        if not (self.issuer and self.audience and self.account_claim):
            raise ValueError("issuer, audience and account_claim are not empty")

    def check_tiers(self, tiers: Collection[str]) -> None:
        """See `_Kind`."""
        if not self.tier_map:
            _check_only(self.tier, tiers)
        elif not {*self.tier_map.values(), self.tier} - {None} <= set(tiers):
            raise ValueError("attester.tier_map and attester.tier name tiers of the table [tiers]")


class MutualTlsConfig(_Kind, frozen=True, tag="mtls"):
    """Client certificates of the authority in `listen.tls_client_authority`."""

    account: Literal["key", "subject", "san"] = "key"
    """What of a certificate is the account: its public key, its subject, or its one alternative name."""
    tier: str | None = None
    """The tier of everybody; needed where there are several."""

    def check_tiers(self, tiers: Collection[str]) -> None:
        """See `_Kind`."""
        _check_only(self.tier, tiers)


class InvitationConfig(_Kind, frozen=True, tag="invitation"):
    """Codes that buy a number of tokens once; each brings its own quota, so there are no tiers."""

    database: Path
    """Made by `tacita-issuer invite create`, or at the first start."""

    def check_tiers(self, tiers: Collection[str]) -> None:
        """See `_Kind`."""
        if tiers:
            raise ValueError("an invitation says itself what it buys; leave the table [tiers] out")


class WebhookConfig(_Kind, frozen=True, tag="webhook"):
    """A service of the operator's, which is asked about each credential."""

    url: str
    """https, or http on this machine."""
    secret: Path
    """What the issuer shows to the service as a bearer credential (a file of mode 0600)."""
    authority: Path | None = None
    """The roots (PEM) that its TLS certificate hangs on, instead of the system's."""
    headers: tuple[str, ...] = ("Authorization",)
    """The header fields that hold the credential. These are sent to the service, and nothing else."""
    seconds: float = 5
    """How long one answer may take, all in all."""
    connections: int = 64
    """How many questions are asked at a time."""
    cache_seconds: float = 0
    """For how long an answer may be used again; a withdrawn credential works for that much longer."""
    cache_entries: int = 10_000

    def __post_init__(self) -> None:
        """Refuse what is not bounded."""
        _refuse_plain_http(self.url)
        names = {name.lower() for name in self.headers}
        if not 1 <= len(names) == len(self.headers) <= _MAX_HEADERS or not all(map(_is_token, names)):
            raise ValueError(f"headers are between 1 and {_MAX_HEADERS} different names of header fields")
        if not 0 < self.seconds <= 30:
            raise ValueError("seconds is between 0 and 30")
        if not 0 <= self.cache_seconds <= 300:
            raise ValueError("cache_seconds is between 0 and 300")
        if not 1 <= self.connections <= 1024 or not 1 <= self.cache_entries <= 1_000_000:
            raise ValueError("connections is between 1 and 1024, cache_entries between 1 and 1000000")


AttesterConfig = ApiKeyConfig | JwtConfig | MutualTlsConfig | InvitationConfig | WebhookConfig


def _check_only(tier: str | None, tiers: Collection[str]) -> None:
    """Refuse a tier that is not there, or none where there is a choice."""
    if tier is None and len(tiers) != 1:
        raise ValueError("there is not one tier only; say which with attester.tier")
    if tier is not None and tier not in tiers:
        raise ValueError("attester.tier names a tier of the table [tiers]")


def _refuse_plain_http(url: str) -> None:
    origin, _ = split(url)
    if not origin.startswith("https:") and not is_local(origin):
        raise ValueError("a URL that decides who gets tokens is https, except on this machine")


def _is_token(name: str) -> bool:
    return bool(name) and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
