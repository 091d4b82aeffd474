"""Group commit: calls that wait at the same moment go to a store together.

While one batch is under way the next one gathers, so batches grow with the load: one
call travels alone, a thousand share a few disk flushes or round trips. Nothing is
ever sent twice. When a batch fails, or takes longer than it may, everybody in it and
everybody who waits behind it is told so at once, so no caller waits
longer than two time limits, and a store that is down costs no queue.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from tacita.errors import TacitaError

__all__ = ["Batcher"]

_LARGEST_BATCH = 256
"""Enough to make the flush or round trip cheap; a Redis script of that size runs for about a millisecond."""

_MOST_WAITING = 8192
"""More is not load but a store that does not keep up: refuse, so that memory stays bounded."""

C = TypeVar("C")
A = TypeVar("A")


class _Waiting(NamedTuple, Generic[C, A]):
    call: C
    answer: "asyncio.Future[A]"
    regardless: bool


class Batcher(Generic[C, A]):
    """Runs calls in batches, one batch at a time, in the order in which they came.

    `run` gets a batch and returns one answer per call, or raises what `unavailable` makes of a
    sentence. It bounds its own time. `store` is the store's name in sentences.
    """

    def __init__(
        self,
        run: Callable[[Sequence[C]], Awaitable[Sequence[A]]],
        unavailable: Callable[[str], TacitaError],
        store: str,
    ) -> None:
        self._run = run
        self._unavailable = unavailable
        self._store = store
        self._waiting: deque[_Waiting[C, A]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def call(self, call: C, *, regardless: bool = False) -> A:
        """Return the answer to `call`.

        A call that is cancelled while it waits is not made, unless it is to be made `regardless`.

        Raises:
            TacitaError: what `unavailable` makes: closed, too many calls waiting, or the batch failed.
        """
        if self._closed:
            raise self._unavailable(f"The {self._store} is closed.")
        if len(self._waiting) >= _MOST_WAITING:
            raise self._unavailable(f"Too many calls wait for the {self._store}; it does not keep up.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append(_Waiting(call, answer, regardless))
        if self._worker is None:
            # The task starts in the loop's next turn: everybody who calls in this one travels along.
            self._worker = loop.create_task(self._work())
        return await answer

    async def close(self) -> None:
        """Refuse new calls and wait for those that were made."""
        self._closed = True
        if self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        batch: list[_Waiting[C, A]] = []
        sentence = f"The {self._store} stopped in the middle of a call."
        try:
            while batch := self._next_batch():
                answers = await self._run([waiting.call for waiting in batch])
                for waiting, answer in zip(batch, answers, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(answer)
        except TacitaError as error:
            sentence = str(error)
        finally:
            self._worker = None
            # One exception each: a shared one would collect the tracebacks of all who await it.
            for waiting in (*batch, *self._waiting):
                if not waiting.answer.done():
                    waiting.answer.set_exception(self._unavailable(sentence))
            self._waiting.clear()

    def _next_batch(self) -> list[_Waiting[C, A]]:
        batch: list[_Waiting[C, A]] = []
        while self._waiting and len(batch) < _LARGEST_BATCH:
            waiting = self._waiting.popleft()
            if waiting.regardless or not waiting.answer.done():
                batch.append(waiting)
        return batch
