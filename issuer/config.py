"""The issuer's configuration file; deploy/config/issuer.toml is a commented sample."""

from pathlib import Path

import msgspec

from issuer.attesters.config import AttesterConfig, MutualTlsConfig
from issuer.key_types import KEY_TYPES
from tacita.crypto.keyring import Schedule
from tacita.service.config import Listen, Struct, origin_of

__all__ = ["MAX_TIERS", "IssuerConfig", "KeysConfig", "QuotaConfig"]

MAX_TIERS = 4
"""Every tier is an anonymity set of its own; many of them single people out."""


class KeysConfig(Struct, frozen=True):
    """Where the keys lie, for which token types, and how often they turn over (docs/rotation.md)."""

    folder: Path
    """All processes of one issuer share it; on several machines by a file system with hard links."""
    create_key: bool = False
    """Make the first keys where the folder is empty. Not for a folder that may fail to be mounted."""
    types: tuple[str, ...] = ("blind-rsa",)
    period_seconds: int = 7 * 86_400
    """Boundaries are multiples of this since 1970-01-01T00:00Z; a token lives for one period to two.

    A week: long enough that everybody's tokens under one key are a large crowd and that a wallet lasts;
    short enough that a stolen key is worth something for two weeks at most, and that the spent store,
    which forgets only with the key, stays small.
    """

    def __post_init__(self) -> None:
        """Refuse a type that nobody knows, none, and a period without a boundary in sight."""
        if unknown := set(self.types) - set(KEY_TYPES):
            raise ValueError(f"types has {min(unknown)}; known are {', '.join(KEY_TYPES)}")
        if not self.types:
            raise ValueError("types names at least one token type")
        if not 1 <= self.period_seconds <= 366 * 86_400:
            raise ValueError("a period is between one second and 366 days")

    @property
    def schedule(self) -> Schedule:
        """The rule by which keys turn over: one further period in which tokens can be redeemed."""
        return Schedule(self.period_seconds, redeemable=1)


class QuotaConfig(Struct, frozen=True):
    """How tokens are counted: the database, the key of the hashes in it (32 bytes), the period."""

    database: Path
    hash_key: Path
    period_seconds: int = 86_400

    def __post_init__(self) -> None:
        """Refuse a period that has no boundary in sight."""
        if not 1 <= self.period_seconds <= 31 * 86_400:
            raise ValueError("a period is between one second and 31 days")


class IssuerConfig(Struct, frozen=True):
    """The whole file."""

    listen: Listen
    admin: Listen
    public_url: str
    """The origin under which clients reach this issuer; its host is the issuer's name in challenges."""
    keys: KeysConfig
    quota: QuotaConfig
    attester: AttesterConfig
    """Who may have tokens; its `kind` says how that is decided."""
    tiers: dict[str, int] = msgspec.field(default_factory=dict)
    """Tokens per period for each kind of account."""
    max_batch: int = 100
    max_pending: int = 256
    """Requests under way, from the credential to the answer, before others are asked to come back."""
    body_seconds: float = 10
    directory_max_age_seconds: int = 3600
    drain_seconds: float = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be meant: no tier or too many, a quota or bound below one, a URL with a path."""
        self.attester.check_tiers(self.tiers)
        if len(self.tiers) > MAX_TIERS:
            raise ValueError(f"there are at most {MAX_TIERS} tiers")
        if isinstance(self.attester, MutualTlsConfig) and self.listen.tls_client_authority is None:
            raise ValueError("the attester mtls wants listen.tls_client_authority")
        if min(*self.tiers.values(), self.max_batch, self.max_pending) < 1:
            raise ValueError("a quota, max_batch and max_pending are at least 1")
        if self.max_batch > 10_000:
            raise ValueError("max_batch is at most 10000")
        if origin_of(self.public_url) != self.public_url:
            raise ValueError("public_url is an origin, scheme://host or scheme://host:port, no default port")
