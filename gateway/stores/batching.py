"""Group commit: calls that wait at the same moment go to the store together.

While one batch is under way the next one gathers, so batches grow with the load: one
call travels alone, a thousand share a few disk flushes or round trips. Nothing is
ever sent twice. When a batch fails, or takes longer than it may, everybody in it and
everybody who waits behind it is told `StoreUnavailable` at once, so no caller waits
longer than two time limits, and a store that is down costs no queue.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gateway.stores.calls import DEAD, FREE, SPENT, Call, Verb, checked
from tacita.privacypass.spent import Reservation, StoreUnavailable, TokenSpent

__all__ = ["BatchedStore", "Batcher"]

_LARGEST_BATCH = 256
"""Enough to make the flush or round trip cheap; a Redis script of that size runs for about a millisecond."""

_MOST_WAITING = 8192
"""More is not load but a store that does not keep up: refuse, so that memory stays bounded."""


class Batcher:
    """Runs calls in batches, one batch at a time, in the order in which they came.

    `run` gets a batch and returns one answer character per call, or raises
    `StoreUnavailable`. It bounds its own time.
    """

    def __init__(self, run: Callable[[Sequence[Call]], Awaitable[str]]) -> None:
        self._run = run
        self._waiting: deque[tuple[Call, asyncio.Future[str]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    async def call(self, call: Call) -> str:
        """Return the answer to `call`. A call that is cancelled while it waits is not made.

        Raises:
            StoreUnavailable: closed, too many calls waiting, or the batch failed.
        """
        if self._closed:
            raise StoreUnavailable("The spent-token store is closed.")
        if len(self._waiting) >= _MOST_WAITING:
            raise StoreUnavailable("Too many calls wait for the spent-token store; it does not keep up.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        self._waiting.append((call, answer))
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
        batch: list[tuple[Call, asyncio.Future[str]]] = []
        sentence = "The spent-token store stopped in the middle of a call."
        try:
            while batch := self._next_batch():
                answers = await self._run([call for call, _ in batch])
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        except StoreUnavailable as error:
            sentence = str(error)
        finally:
            self._worker = None
            # One exception each: a shared one would collect the tracebacks of all who await it.
            for _, future in (*batch, *self._waiting):
                if not future.done():
                    future.set_exception(StoreUnavailable(sentence))
            self._waiting.clear()

    def _next_batch(self) -> list[tuple[Call, asyncio.Future[str]]]:
        batch: list[tuple[Call, asyncio.Future[str]]] = []
        while self._waiting and len(batch) < _LARGEST_BATCH:
            call, future = self._waiting.popleft()
            if not future.done():
                batch.append((call, future))
        return batch


class BatchedStore(ABC):
    """The part of `SpentStore` that the implementations share: three calls, made in batches."""

    def __init__(self) -> None:
        self._batcher = Batcher(self._run)

    @abstractmethod
    async def _run(self, calls: Sequence[Call]) -> str:
        """Make `calls`, durably and each atomically; return one answer character per call."""

    async def reserve(self, token_key_id: bytes, nonce: bytes, *, expires: int) -> Reservation:
        """See `SpentStore.reserve`."""
        answer = await self._batcher.call(checked(Call(Verb.RESERVE, token_key_id, nonce, expires, 0)))
        if answer == SPENT:
            raise TokenSpent("The token was presented before; present another one.")
        if answer == DEAD:
            raise TokenSpent("The token's issuer key is past its end; present a token of a newer key.")
        return Reservation(token_key_id, nonce, int(answer), expires)

    async def commit(self, reservation: Reservation) -> None:
        """See `SpentStore.commit`."""
        await self._batcher.call(_call(Verb.COMMIT, reservation))

    async def release(self, reservation: Reservation) -> bool:
        """See `SpentStore.release`."""
        return await self._batcher.call(_call(Verb.RELEASE, reservation)) == FREE


def _call(verb: Verb, held: Reservation) -> Call:
    return checked(Call(verb, held.token_key_id, held.nonce, held.expires, held.releases))
