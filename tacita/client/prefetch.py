"""When to fetch tokens: at moments that have nothing to do with asking.

    await keep_filled(fill)         # for as long as the program runs

Issuer and relay together could match who fetched with who asked, by time, if one led to the other. So
whether it is time to look into the wallet is decided by lot alone: moments are those of a Poisson process,
drawn ahead. What the wallet holds decides only whether anything is fetched at such a moment, and what is
fetched is always one batch.

Such a process has no memory, which spares a file: a moment that passed while the program was not running,
or while the machine slept, is not made up for. That would be the moment at which somebody came back, who
probably wants to ask something.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random, SystemRandom

from tacita.client.issuance import BATCH
from tacita.errors import TacitaError

__all__ = ["LOW", "MEAN_SECONDS", "Moments", "is_low", "keep_filled"]

MEAN_SECONDS = 3 * 3600.0
"""Between two moments on average; a day has eight."""

LOW = BATCH
"""Tokens below which a batch is fetched, so that mostly enough are left until the next moment."""

_LATE_SECONDS = 60.0


def is_low(count: int) -> bool:
    """Return whether a wallet with `count` tokens is to be filled at the next moment."""
    return count < LOW


class Moments:
    """Moments drawn by lot. `now` is in seconds of one clock."""

    def __init__(
        self, now: float, *, mean_seconds: float = MEAN_SECONDS, random: Random | None = None
    ) -> None:
        self._mean_seconds = mean_seconds
        self._random = random or SystemRandom()
        self.next = now + self._drawn()
        """The next one."""

    def come(self, now: float) -> bool:
        """Return whether a moment has just come, and draw the next one if it has, or was missed."""
        late = now - self.next
        if late < 0:
            return False
        self.next = now + self._drawn()
        return late <= _LATE_SECONDS

    def _drawn(self) -> float:
        return self._random.expovariate(1 / self._mean_seconds)


async def keep_filled(
    fill: Callable[[], Awaitable[object]],
    *,
    told: Callable[[TacitaError], None] = lambda _: None,
    mean_seconds: float = MEAN_SECONDS,
    random: Random | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `fill` at each moment, until cancelled.

    `fill` fetches a batch if the wallet is low. What it raises of the error tree goes to `told`; it is not
    tried again before the next moment, for that is a moment like any other.
    """
    moments = Moments(clock(), mean_seconds=mean_seconds, random=random)
    while True:
        # No longer than a minute at a time, so that a machine that slept is noticed.
        await sleep(min(max(moments.next - clock(), 0.0), _LATE_SECONDS))
        if moments.come(clock()):
            try:
                await fill()
            except TacitaError as error:
                told(error)
