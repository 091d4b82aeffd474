"""One batcher for each place that calls go to, so that nobody waits for another place.

A store with a single place has one lane, which is one batcher.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from tacita.errors import TacitaError
from tacita.service.batching import Batcher

__all__ = ["Lanes"]

C = TypeVar("C")
A = TypeVar("A")


class Lanes(Generic[C, A]):
    """Runs calls in batches, one batch at a time in each lane; `lane_of` tells the lane of a call.

    The other arguments are those of `Batcher`. A lane is kept for good: there are as many as places.
    """

    def __init__(
        self,
        run: Callable[[Sequence[C]], Awaitable[Sequence[A]]],
        unavailable: Callable[[str], TacitaError],
        store: str,
        lane_of: Callable[[C], Hashable],
    ) -> None:
        self._run = run
        self._unavailable = unavailable
        self._store = store
        self._lane_of = lane_of
        self._lanes: dict[Hashable, Batcher[C, A]] = {}
        self._closed = False

    def call(self, call: C, *, regardless: bool = False) -> Awaitable[A]:
        """See `Batcher.call`."""
        if self._closed:
            return self._refuse()
        lane = self._lane_of(call)
        batcher = self._lanes.get(lane)
        if batcher is None:
            batcher = self._lanes[lane] = Batcher(self._run, self._unavailable, self._store)
        return batcher.call(call, regardless=regardless)

    async def close(self) -> None:
        """Refuse new calls and wait for those that were made."""
        self._closed = True
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))

    async def _refuse(self) -> A:
        raise self._unavailable(f"The {self._store} is closed.")
