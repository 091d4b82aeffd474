"""The period that a quota is counted in: fixed stretches of UTC, the same for every account."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

__all__ = ["Period", "utc_text"]


@dataclass(frozen=True, slots=True)
class Period:
    """One period: from `start` up to, but not including, `end` (UNIX seconds)."""

    start: int
    end: int

    @classmethod
    def at(cls, now: float, seconds: int) -> "Period":
        """Return the period of `seconds` that the UNIX time `now` lies in.

        Boundaries are multiples of `seconds` since 1970-01-01T00:00:00Z, so that 86,400 gives UTC days.
        """
        start = int(now // seconds) * seconds
        return cls(start, start + seconds)

    @property
    def end_text(self) -> str:
        """The end in the form of RFC 3339, in UTC."""
        return utc_text(self.end)


def utc_text(moment: float) -> str:
    """Return `moment` (UNIX seconds; rounded up to a whole one) in the form of RFC 3339, in UTC."""
    return datetime.fromtimestamp(ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
