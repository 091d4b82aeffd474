"""The issuer's configuration file; deploy/config/issuer.toml is a commented sample."""

from pathlib import Path

import msgspec

from issuer.attesters.config import AttesterConfig, MutualTlsConfig
from issuer.key_types import ARC, KEY_TYPES
from issuer.limits import Limits
from issuer.signers.config import SignerConfig
from issuer.tiers import Allowance, tier_of
from tacita.crypto.keyring import Schedule
from tacita.privacypass.extensions import ExpirationPolicy
from tacita.service.config import Listen, Struct, origin_of

__all__ = ["MAX_PRESENTATIONS", "MAX_TIERS", "ExpirationConfig", "IssuerConfig", "KeysConfig", "QuotaConfig"]

DAY_SECONDS = 86_400

MAX_TIERS = 4
"""Every tier is an anonymity set of its own; many of them single people out."""

MAX_PRESENTATIONS = 1_000_000
"""As many tokens as an invitation buys at most; far below what a range proof can do."""


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
    """How tokens are counted: where, the key of the hashes there (32 bytes), the period."""

    hash_key: Path
    """Made at the first start. Several issuers with one quota need the same file."""
    database: Path | None = None
    """An SQLite file, for the issuers of one machine."""
    redis: str | None = None
    """A Redis, or some nodes of a Redis Cluster, for issuers on several machines; an address as in
    `tacita.service.redis.address`."""
    redis_password: Path | None = None
    redis_authority: Path | None = None
    """The roots (PEM) that its TLS certificate hangs on, instead of the system's."""
    accept_replicas: bool = False
    period_seconds: int = DAY_SECONDS

    def __post_init__(self) -> None:
        """Refuse none or both of the places, and a period that has no boundary in sight."""
        if (self.database is None) == (self.redis is None):
            raise ValueError("set exactly one of database and redis")
        if self.redis is None and (self.redis_password or self.redis_authority or self.accept_replicas):
            raise ValueError("redis_password, redis_authority and accept_replicas go with redis")
        if not 1 <= self.period_seconds <= 31 * DAY_SECONDS:
            raise ValueError("a period is between one second and 31 days")


class ExpirationConfig(Struct, frozen=True):
    """Which expiry tokens of type 0xDA7A may have: a multiple of the precision, at most so far ahead."""

    precision_seconds: int = 3600
    lifetime_seconds: int = DAY_SECONDS

    def __post_init__(self) -> None:
        """Refuse a lifetime in which no token could be had."""
        if not 1 <= self.precision_seconds <= self.lifetime_seconds:
            raise ValueError("lifetime_seconds is at least precision_seconds, which is at least 1")

    @property
    def policy(self) -> ExpirationPolicy:
        """The rule that clients and the issuer share."""
        return ExpirationPolicy(self.precision_seconds, self.lifetime_seconds)


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
    tiers: dict[str, Allowance] = msgspec.field(default_factory=dict)
    """What each kind of account may have: tokens per period, or a table of limits."""
    expiration: ExpirationConfig = ExpirationConfig()
    signer: SignerConfig = SignerConfig()
    """What signs for token type 0x0002."""
    presentation_limit: int = 100
    """How often a credential of type 0xE5AC can be presented, and so what it costs (docs/experimental.md)."""
    max_batch: int = 100
    max_pending: int = 256
    """Requests under way, from the credential to the answer, before others are asked to come back."""
    max_pending_of_account: int = 64
    """How many of them may be of one account."""
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
        if min(self.max_batch, self.max_pending, self.max_pending_of_account) < 1:
            raise ValueError("max_batch, max_pending and max_pending_of_account are at least 1")
        if "partially-blind-rsa" in self.keys.types and (
            self.expiration.lifetime_seconds > self.keys.period_seconds
        ):
            raise ValueError("lifetime_seconds is at most period_seconds: no token outlives its key")
        if self.max_batch > 10_000:
            raise ValueError("max_batch is at most 10000")
        if not 2 <= self.presentation_limit <= MAX_PRESENTATIONS:
            raise ValueError(f"presentation_limit is from 2 to {MAX_PRESENTATIONS}")
        for tier in map(tier_of, self.tiers.values()):
            if self.credentials_for is not None and self.credentials_for > min(
                limit for limit in (tier.tokens, tier.burst, tier.per_day) if limit is not None
            ):
                raise ValueError(
                    "a credential costs presentation_limit tokens at once: each tier has so many"
                )
            if tier.burst is not None and tier.burst < self.max_batch:
                raise ValueError("a burst is at least max_batch: a larger batch would never be granted")
            if tier.per_day is not None and self.quota.period_seconds <= DAY_SECONDS:
                raise ValueError("per_day is for quotas whose period is longer than a day")
        if origin_of(self.public_url) != self.public_url:
            raise ValueError("public_url is an origin, scheme://host or scheme://host:port, no default port")

    @property
    def credentials_for(self) -> int | None:
        """For how many presentations a credential is issued; None where there are no credentials."""
        return self.presentation_limit if ARC in self.keys.types else None

    @property
    def limits(self) -> Limits:
        """What a process of this issuer takes at a time."""
        return Limits(
            max_batch=self.max_batch,
            max_pending=self.max_pending,
            max_pending_of_account=self.max_pending_of_account,
            body_seconds=self.body_seconds,
            directory_max_age_seconds=self.directory_max_age_seconds,
        )
