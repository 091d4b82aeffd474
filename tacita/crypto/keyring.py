"""When a key is published, used, merely accepted, and gone: the rotation rule alone, no keys, no clock.

Time is cut into epochs at multiples of the period since 1970-01-01T00:00Z, so that everybody
who knows the period knows every boundary. The key of epoch n

    is published   from the start of epoch n-1 on (so that all copies have it in time),
    issues         during epoch n,
    is redeemable  during the `redeemable` epochs after it,
    and is dead    from then on.

At any moment one key issues and at most `redeemable` older ones are taken: more would set
whoever holds an old token apart from the rest. (Privacy Pass, RFC 9576, Section 6.2.)
"""

from dataclasses import dataclass
from enum import Enum

from tacita.errors import TacitaError

__all__ = ["ClockAhead", "ClockSetBack", "Phase", "Schedule"]


class ClockSetBack(TacitaError):
    """The clock shows an epoch before one that was already seen; nothing may turn over on it."""

    status = 503


class ClockAhead(TacitaError):
    """The clock shows an epoch later than the one that comes next; keys would die on it unseen."""

    status = 503


class Phase(Enum):
    """Where a key stands in its life."""

    FUTURE = "future"
    PUBLISHED = "published"
    ISSUING = "issuing"
    REDEEMABLE = "redeemable"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The rule for one kind of key: `period` in seconds, taken for `redeemable` epochs after its own."""

    period: int
    redeemable: int = 1

    def __post_init__(self) -> None:
        if self.period < 1 or self.redeemable < 0:
            raise ValueError("a period is at least a second, and no key is taken for less than its epoch")

    def epoch(self, now: float) -> int:
        """Return the epoch that the UNIX time `now` lies in."""
        return int(now // self.period)

    def start(self, epoch: int) -> int:
        """Return the UNIX time at which `epoch` begins: the not-before of its key."""
        return epoch * self.period

    def end(self, epoch: int) -> int:
        """Return the UNIX time at which the key of `epoch` stops issuing."""
        return self.start(epoch + 1)

    def death(self, epoch: int) -> int:
        """Return the UNIX time from which nothing of the key of `epoch` is accepted."""
        return self.start(epoch + 1 + self.redeemable)

    def phase(self, epoch: int, now: float) -> Phase:
        """Return where the key of `epoch` stands at the UNIX time `now`."""
        age = self.epoch(now) - epoch
        if age < -1:
            return Phase.FUTURE
        if age == -1:
            return Phase.PUBLISHED
        if age == 0:
            return Phase.ISSUING
        return Phase.REDEEMABLE if age <= self.redeemable else Phase.DEAD

    def live(self, now: float) -> list[int]:
        """Return the epochs with published keys at `now`, newest first: next, present, redeemable."""
        present = self.epoch(now)
        return list(range(present + 1, present - self.redeemable - 1, -1))

    def until_boundary(self, now: float) -> float:
        """Return the seconds until the next boundary: no copy of a published key may outlive it."""
        return self.start(self.epoch(now) + 1) - now

    def require_forward(self, newest_seen: int, now: float, *, tolerance: float = 0.0) -> int:
        """Return the present epoch.

        Clocks of several machines differ: one that is behind `newest_seen`, an epoch that was seen
        before, by no more than `tolerance` seconds is taken to be in that epoch.

        Raises:
            ClockSetBack: it is behind by more.
        """
        present = self.epoch(now)
        if present >= newest_seen:
            return present
        if self.epoch(now + tolerance) < newest_seen:
            raise ClockSetBack("The clock was set back behind a boundary that has passed; set it right.")
        return newest_seen

    def require_step(self, newest_seen: int, now: float) -> int:
        """Return the present epoch.

        Raises:
            ClockAhead: it is neither `newest_seen`, an epoch that was seen before, nor the one after
                it nor an earlier one.
        """
        present = self.epoch(now)
        if present > newest_seen + 1:
            raise ClockAhead("The clock is more than a period ahead of what was seen last; set it right.")
        return present
