"""The issuer's configuration file; deploy/config/issuer.toml is a commented sample."""

from pathlib import Path

from tacita.service.config import Listen, Struct, origin_of

__all__ = ["MAX_TIERS", "IssuerConfig", "KeysConfig", "QuotaConfig"]

MAX_TIERS = 4
"""Every tier is an anonymity set of its own; many of them single people out."""


class KeysConfig(Struct, frozen=True):
    """Where the issuing key lies: a folder of PEM files (PKCS#8, 0600)."""

    folder: Path
    create_key: bool = False
    """Make a key at the first start, where the folder has none."""


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
    accounts: Path
    """The accounts file, written by `tacita-issuer account`."""
    tiers: dict[str, int]
    """Tokens per period for each kind of account."""
    max_batch: int = 100
    max_pending: int = 256
    """Requests under way, from the credential to the answer, before others are asked to come back."""
    body_seconds: float = 10
    directory_max_age_seconds: int = 3600
    drain_seconds: float = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be meant: no tier or too many, a quota or bound below one, a URL with a path."""
        if not 1 <= len(self.tiers) <= MAX_TIERS:
            raise ValueError(f"there are between 1 and {MAX_TIERS} tiers")
        if min(*self.tiers.values(), self.max_batch, self.max_pending) < 1:
            raise ValueError("a quota, max_batch and max_pending are at least 1")
        if self.max_batch > 10_000:
            raise ValueError("max_batch is at most 10000")
        if origin_of(self.public_url) != self.public_url:
            raise ValueError("public_url is an origin, scheme://host or scheme://host:port, no default port")
