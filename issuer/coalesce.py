"""Work of many callers, done in groups by threads: what makes eight lanes worth having.

    async with Coalescer(sign, threads=2) as coalescer:
        answer = await coalescer.submit(messages, len(messages))

A thread that is free takes whatever waits, in the order in which it came, up to `limit`. When that
would not fill the lanes of one operation, it waits for more, `linger` seconds from the arrival of the first
at most. Threads wait by themselves, since the timers of an event loop are too coarse (uvloop: 1 ms).
Work that gains nothing from company is submitted `alone`, and waits for nobody.

Whoever is cancelled while waiting is not worked for; whoever is cancelled later has the answer
dropped. Neither is noticed by others in the group. `work` says for each of them what came out, so an
error reaches only those whom `work` names; what it raises is a defect and reaches the whole group.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Self, TypeAlias, TypeVar

__all__ = ["Clock", "Coalescer", "QueueFull"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Clock: TypeAlias = Callable[[], float]
"""Returns seconds that never go back."""


class QueueFull(Exception):
    """As much waits as may. Nothing was taken."""


@dataclass(eq=False, slots=True)
class _Job(Generic[Item, Result]):
    item: Item
    size: int
    alone: bool
    due: float
    answer: "asyncio.Future[Result]" = field(repr=False)


class Coalescer(Generic[Item, Result]):
    """Calls `work` with groups of items, in `threads` threads. Use as an async context manager.

    `work` returns a result or an exception for each item, in order. A group's sizes are at most `limit`
    together (two batches of 100 fill all lanes of 25 operations), or it is one item; `lanes` is the size from
    which on waiting is not worth it. At most `capacity` may wait, or one item of any size.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        threads: int,
        lanes: int = 8,
        limit: int = 200,
        linger: float = 0.0003,
        capacity: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self._work = work
        self._lanes = lanes
        self._limit = limit
        self._linger = linger
        self._capacity = capacity
        self._clock = clock
        self._waiting: deque[_Job[Item, Result]] = deque()
        self._size = 0
        self._ending = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, name=f"coalescer-{number}", daemon=True)
            for number in range(threads)
        ]

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Finish what waits, and end the threads."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def require_room(self, size: int) -> None:
        """Raise `QueueFull` unless an item of `size` could be submitted now."""
        if self._waiting and self._size + size > self._capacity:
            raise QueueFull

    async def submit(self, item: Item, size: int, *, alone: bool = False) -> Result:
        """Return the result for `item`. Raises what `work` gave for it, and `QueueFull`."""
        answer: asyncio.Future[Result] = self._loop.create_future()
        job = _Job(item, size, alone, self._clock() + self._linger, answer)
        with self._changed:
            self.require_room(size)
            self._waiting.append(job)
            self._size += size
            if alone or self._size >= self._lanes or len(self._waiting) == 1:
                self._changed.notify()
        try:
            return await answer
        except asyncio.CancelledError:
            self._withdraw(job)
            raise

    def _withdraw(self, job: _Job[Item, Result]) -> None:
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self._size -= job.size

    def _run(self) -> None:
        while group := self._next():
            try:
                results = self._work([job.item for job in group])
            except Exception as defect:
                results = [defect] * len(group)
            self._loop.call_soon_threadsafe(_tell, group, results)

    def _next(self) -> list[_Job[Item, Result]]:
        """Return the next group, once there is one; nothing at all at the end."""
        with self._changed:
            while True:
                if not self._waiting:
                    if self._ending:
                        return []
                    self._changed.wait()
                    continue
                first = self._waiting[0]
                left = first.due - self._clock()
                if first.alone or self._size >= self._lanes or left <= 0 or self._ending:
                    return self._take()
                self._changed.wait(left)

    def _take(self) -> list[_Job[Item, Result]]:
        group = [self._waiting.popleft()]
        size = group[0].size
        while (
            self._waiting
            and not (group[0].alone or self._waiting[0].alone)
            and size + self._waiting[0].size <= self._limit
        ):
            group.append(self._waiting.popleft())
            size += group[-1].size
        self._size -= size
        if self._waiting:
            self._changed.notify()  # for whichever thread is free
        return group


def _tell(group: Sequence[_Job[Item, Result]], results: Sequence[Result | Exception]) -> None:
    for job, result in zip(group, results, strict=True):
        if job.answer.done():  # the caller was cancelled
            continue
        if isinstance(result, Exception):
            job.answer.set_exception(result)
        else:
            job.answer.set_result(result)
