"""What is charged: an account's request, under names that say nothing to whoever has no key.

The names are HMAC-SHA-256 under a key that all issuers of one quota share. No name of one period can
be matched with one of another.
"""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from issuer.attesters import Account
from issuer.period import Period
from issuer.tiers import Tier, tier_of
from tacita.errors import ConfigError
from tacita.service.keyfiles import create_secret, read_secret

__all__ = ["MAX_REPEATS", "Claim", "Claims", "load_hash_key"]

MAX_REPEATS = 16
"""How often one paid request is answered again. Clients retry a few times; each answer costs signatures."""


@dataclass(frozen=True, slots=True)
class Claim:
    """`tokens` for the keyed hash `account` in `period`, by the request with the keyed hash `request`.

    `at` is the moment in UNIX milliseconds. An account without periods is not `renewed`: it
    stands under the moment of its end, so that it is forgotten only after it.
    """

    period: Period
    account: bytes = field(repr=False)
    request: bytes = field(repr=False)
    tokens: int
    tier: Tier
    at: int
    renewed: bool = True


class Claims:
    """Makes claims. `key` (32 bytes) is the key of the hashes, `clock` returns UNIX seconds."""

    def __init__(self, key: bytes, period_seconds: int, clock: Callable[[], float]) -> None:
        self.key_check = hmac.digest(key, b"check", "sha256")
        """Tells two keys apart, and nothing else."""
        self._key = key
        self._seconds = period_seconds
        self._clock = clock

    def now(self) -> int:
        """Return the time in UNIX milliseconds."""
        return int(self._clock() * 1000)

    def period(self) -> Period:
        """Return the present period."""
        return Period.at(self._clock(), self._seconds)

    def claim(self, account: Account, request: bytes, tokens: int) -> tuple[Claim, Period]:
        """Return the claim of `account` for `tokens` by `request`, and the present period."""
        now = self._clock()
        present = Period.at(now, self._seconds)
        period = present if account.until is None else Period(account.until, account.until)
        claim = Claim(
            period,
            self._hash(b"account", period, account.id.encode()),
            self._hash(b"request", period, account.id.encode(), request),
            tokens,
            tier_of(account.quota),
            int(now * 1000),
            renewed=account.until is None,
        )
        return claim, present

    def _hash(self, label: bytes, period: Period, *parts: bytes) -> bytes:
        message = [label, period.start.to_bytes(8, "big"), *parts]
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in message)
        return hmac.digest(self._key, framed, "sha256")


def load_hash_key(path: Path) -> bytes:
    """Return the 32 random bytes in `path`, which is made where it is missing. Raises `ConfigError`."""
    what = "the key of the quota's hashes"
    try:
        if not path.exists():
            create_secret(path, os.urandom(32))
    except OSError as error:
        raise ConfigError(f"{path} ({what}) cannot be made: {error.strerror}.") from None
    key = read_secret(path, what)
    if len(key) != 32:
        raise ConfigError(f"{path} ({what}) does not hold 32 bytes; restore it from a copy.")
    return key
