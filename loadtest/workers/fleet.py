"""The parent's side of the load processes: start them together, collect what they say, stop them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from loadtest.errors import WorkerDied
from loadtest.workers.children import Child, children
from loadtest.workers.messages import Failed, Go, Plan, Ready, Stop, Tick

__all__ = ["Fleet"]

_LEAD_NS = 200_000_000
"""From the word to the first request, so that every process hears it before."""


class Fleet:
    """Load processes that have their plans. `ticks` yields what they report until all have ended."""

    def __init__(self, members: list[Child]) -> None:
        self._members = members
        self._queue: asyncio.Queue[tuple[int, Tick | None]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @asynccontextmanager
    async def of(cls, plans: Sequence[Plan]) -> AsyncIterator[Self]:
        """Start a process for each of `plans`. Raises `WorkerDied` if one cannot use its plan."""
        async with children("loadtest.workers", len(plans)) as members:
            fleet = cls(members)
            for member, plan in zip(members, plans, strict=True):
                member.channel.send(plan)
            for member in members:
                answer: Ready | Failed = await member.channel.receive(Ready | Failed)  # type: ignore[arg-type]
                if isinstance(answer, Failed):
                    raise WorkerDied(answer.sentence)
            try:
                yield fleet
            finally:
                for task in fleet._tasks:
                    task.cancel()
                await asyncio.gather(*fleet._tasks, return_exceptions=True)

    def go(self) -> int:
        """Have all begin at one moment; return it (ns of the monotonic clock)."""
        at = time.monotonic_ns() + _LEAD_NS
        for number, member in enumerate(self._members):
            member.channel.send(Go(at))
            self._tasks.append(asyncio.create_task(self._listen(number, member)))
        return at

    def stop(self) -> None:
        """Have all end: nothing more is begun. May be called again."""
        for member in self._members:
            if member.process.returncode is None:
                member.channel.send(Stop())

    async def ticks(self) -> AsyncIterator[tuple[int, Tick | None]]:
        """Yield the number of a process and its report; None when it died instead of ending."""
        left = len(self._members)
        while left:
            number, tick = await self._queue.get()
            if tick is None or tick.done:
                left -= 1
            yield number, tick

    async def _listen(self, number: int, member: Child) -> None:
        try:
            while True:
                tick = await member.channel.receive(Tick)
                self._queue.put_nowait((number, tick))
                if tick.done:
                    return
        except WorkerDied:
            self._queue.put_nowait((number, None))
