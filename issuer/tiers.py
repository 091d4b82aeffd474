"""How many tokens an account may have: in a period, in a day, and at once."""

from typing import TypeAlias

from tacita.service.config import Struct

__all__ = ["BURST_SECONDS", "Allowance", "Tier", "tier_of"]

BURST_SECONDS = 60
"""How long an empty bucket of burst tokens takes to fill up: the minute that most rate limits count in."""

_MOST = 10**9
"""Redis computes with 53 bits, of which a burst takes this times the milliseconds of a minute."""


class Tier(Struct, frozen=True):
    """What accounts of one kind may have."""

    tokens: int
    """In a period."""
    burst: int | None = None
    """At once. A bucket of so many tokens, which fills up again evenly in `BURST_SECONDS`."""
    per_day: int | None = None
    """In a UTC day, where the period is longer."""

    def __post_init__(self) -> None:
        """Refuse a limit that lets nothing through, and one that cannot be computed with."""
        for limit in (self.tokens, self.burst, self.per_day):
            if limit is not None and not 1 <= limit <= _MOST:
                raise ValueError(f"a quota, burst and per_day are between 1 and {_MOST}")


Allowance: TypeAlias = int | Tier
"""A `Tier`, or the tokens in a period alone."""


def tier_of(allowance: Allowance) -> Tier:
    """Return `allowance` in its long form. Raises `ValueError` as `Tier`."""
    return Tier(tokens=allowance) if isinstance(allowance, int) else allowance
