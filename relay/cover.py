"""Traffic cover: messages wait a little, so that their times say less about whose they are.

Who sees both sides of the relay matches what went in with what came out by time and size. Two policies
make the times worse, each in both directions, out to the gateway and back:

- *jitter*: every message waits a time of its own, uniform between nothing and `seconds`;
- *batch*: requests wait for each other and go on together, in an order drawn by lot, as soon as there are
  `group` of them or the first has waited for `seconds`: the threshold-or-timed mix of Serjantov,
  Dingledine and Syverson, "From a Trickle to a Flood", 2002. Their answers do so among themselves.

What waits is the beginning of a message: all of it in the one-shot form, up to `HELD` bytes; the first
piece of it where it is to be passed on as it comes. Later pieces pass uncovered, since to hold each of
them would make a stream of words unreadable: against somebody who sees both sides and can wait for the
end of a stream, cover helps little.

A schedule (`Jitter`, `Batch`, `Cohort`) is told the time, and says who may go on; tasks wait in a `Line`.
Whoever goes away leaves, and does not count in a group any more. Nobody waits for longer than `seconds`.
Everyone in a line is an exchange under way, and of those there are so many and no more.
"""

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from random import Random, SystemRandom
from typing import Generic, Protocol, Self, TypeVar

from relay.config import CoverConfig

__all__ = ["HELD", "Batch", "Cohort", "Cover", "Jitter", "Line", "Resumed", "Schedule", "Way", "beginning"]

HELD = 65_536
"""Bytes of one message that are held while it waits: as much as waits for its reader without cover."""

_T = TypeVar("_T")


class Schedule(Protocol[_T]):
    """Decides when those who wait may go on. Times are seconds of one clock that never goes back.

    Nobody is in it longer than the policy's seconds, if `due` is called whenever `next` says, and after
    each `join`.
    """

    def join(self, one: _T, now: float) -> None:
        """Let `one` wait from now on."""

    def leave(self, one: _T) -> None:
        """Forget `one`, who has gone away, or on: then nothing happens."""

    def due(self, now: float) -> list[_T]:
        """Remove and return those who may go on now, in this order."""

    def next(self) -> float | None:
        """Return the time at which somebody will be due; None where nobody waits."""


class Jitter(Generic[_T]):
    """Each waits a time of its own, uniform in [0, `seconds`]."""

    def __init__(self, seconds: float, random: Random) -> None:
        self._seconds = seconds
        self._random = random
        self._numbers = count()
        self._queue: list[tuple[float, int, _T]] = []
        self._places: dict[_T, tuple[float, int]] = {}

    def join(self, one: _T, now: float) -> None:
        """Let `one` wait from now on."""
        place = now + self._random.uniform(0.0, self._seconds), next(self._numbers)
        self._places[one] = place
        # No two numbers are the same, so that nobody is compared.
        insort(self._queue, (*place, one))

    def leave(self, one: _T) -> None:
        """Forget `one`, if it is there."""
        place = self._places.pop(one, None)
        if place is not None:
            del self._queue[bisect_left(self._queue, place)]

    def due(self, now: float) -> list[_T]:
        """Remove and return those whose time has come, the earliest first."""
        end = bisect_left(self._queue, (now, next(self._numbers)))
        gone = [one for _, _, one in self._queue[:end]]
        del self._queue[:end]
        for one in gone:
            del self._places[one]
        return gone

    def next(self) -> float | None:
        """Return the earliest time."""
        return self._queue[0][0] if self._queue else None


class Batch(Generic[_T]):
    """All go on at once, in random order, when they are `group` or the first came `seconds` ago."""

    def __init__(self, group: int, seconds: float, random: Random) -> None:
        self._size = group
        self._seconds = seconds
        self._random = random
        self._group: dict[_T, None] = {}
        self._until = 0.0

    def join(self, one: _T, now: float) -> None:
        """Let `one` wait from now on."""
        if not self._group:
            self._until = now + self._seconds
        self._group[one] = None

    def leave(self, one: _T) -> None:
        """Forget `one`, if it is there. Those who came after it wait no longer for that."""
        self._group.pop(one, None)

    def due(self, now: float) -> list[_T]:
        """Remove and return the group if it is complete, or has waited long enough."""
        if not self._group or (len(self._group) < self._size and now < self._until):
            return []
        gone = list(self._group)
        self._group.clear()
        self._random.shuffle(gone)
        return gone

    def next(self) -> float | None:
        """Return the time at which the group goes on however small it is."""
        return self._until if self._group else None


class Cohort(Batch[_T]):
    """The answers to a group: they go on at once when all are there, or the first came `seconds` ago.

    Those that come later are a group again, of all that are left.
    """

    def due(self, now: float) -> list[_T]:
        """Remove and return the answers if all are there, or have waited long enough."""
        gone = super().due(now)
        self._size -= len(gone)
        return gone

    def give_up(self) -> None:
        """Expect one answer less."""
        self._size -= 1


class Line:
    """Tasks that wait in a schedule. `released` is told who goes on, before they do."""

    def __init__(
        self, schedule: "Schedule[Way]", released: Callable[[list["Way"]], None] | None = None
    ) -> None:
        self._schedule = schedule
        self._released = released
        self._timer: asyncio.Handle | None = None
        self._rings = 0.0

    async def wait(self, way: "Way") -> None:
        """Return when the schedule says so. A task that is cancelled has left it."""
        loop = asyncio.get_running_loop()
        way.woken = loop.create_future()
        self._schedule.join(way, loop.time())
        try:
            self.look()
            await way.woken
        finally:
            self._schedule.leave(way)

    def look(self) -> None:
        """Let those go on who may."""
        loop = asyncio.get_running_loop()
        gone = self._schedule.due(loop.time())
        if gone and self._released is not None:
            self._released(gone)
        for way in gone:
            if not way.woken.done():
                # Tasks are woken, and write, in this order.
                way.woken.set_result(None)
        when = self._schedule.next()
        if self._timer is not None:
            if when is not None and self._rings <= when:
                # It looks again when it gets there: who waits for this time may have left.
                return
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._rings = when
            self._timer = loop.call_at(when, self._rung)

    def _rung(self) -> None:
        self._timer = None
        self.look()


class Way:
    """One exchange under cover: `out` before its request goes on, `back` before its answer does."""

    def __init__(self, cover: "Cover") -> None:
        self.woken: asyncio.Future[None]
        self.returning = cover.returning
        self.cohort: Cohort[Way] | None = None
        """Where its answer is waited for."""
        self._cover = cover
        self._returned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        # Others do not wait for an answer that will not come.
        if self.cohort is not None:
            self.cohort.give_up()
            self.returning.look()

    async def out(self) -> None:
        """Return when the request may go on."""
        await self._cover.leaving.wait(self)

    async def back(self) -> None:
        """Return when the answer may go on: once, after that at once."""
        if not self._returned:
            self._returned = True
            await self.returning.wait(self)


class Cover:
    """The cover of one gateway's exchanges, of which there are at most so many at a time.

    In groups, the answers wait for each other that belong to one group of requests. Were they mixed anew,
    who sees that a message left with one group and came back with another could say whose it is.
    """

    def __init__(self, config: CoverConfig, random: Random | None = None) -> None:
        self._seconds = config.seconds
        self._random = random = random or SystemRandom()
        self.exchanges = config.exchanges
        self.returning = Line(Jitter(config.seconds, random))
        if config.policy == "batch":
            self.leaving = Line(Batch(config.group, config.seconds, random), self._left)
        else:
            self.leaving = Line(Jitter(config.seconds, random))

    def exchange(self) -> Way:
        """Return the way of one exchange, a context manager that lasts as long as it does."""
        return Way(self)

    def _left(self, group: list[Way]) -> None:
        cohort: Cohort[Way] = Cohort(len(group), self._seconds, self._random)
        line = Line(cohort, _come_back)
        for way in group:
            way.cohort, way.returning = cohort, line


def _come_back(group: list[Way]) -> None:
    for way in group:
        way.cohort = None


async def beginning(read: Callable[[], Awaitable[bytes]], *, whole: bool) -> tuple[bytes, bool]:
    """Read what is to be held of a message, and say whether that is all of it.

    `read` returns the next piece, empty at the end. Without `whole` one piece is enough. Raises what it
    raises.
    """
    held = await read()
    if not held or not whole:
        return held, not held
    pieces = [held]
    size = len(held)
    while size < HELD:
        piece = await read()
        if not piece:
            return b"".join(pieces), True
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces), False


class Resumed(AsyncIterator[bytes]):
    """A message's content whose beginning, `held`, was read before; `read` gives the rest."""

    def __init__(self, held: bytes, read: Callable[[], Awaitable[bytes]]) -> None:
        self._held = held
        self._read = read

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece, self._held = self._held, b""
        piece = piece or await self._read()
        if not piece:
            raise StopAsyncIteration
        return piece
