"""The batcher by itself: what travels together, and who is told what."""

import asyncio
from collections.abc import Sequence

import pytest

from tacita.errors import TacitaError
from tacita.service.batching import Batcher

CALL = "call"


class Unavailable(TacitaError):
    pass


def batcher_of(store: "Recorder") -> Batcher[str, str]:
    return Batcher(store, Unavailable, "store")


class Recorder:
    """Answers each batch when it is let go, and remembers how large it was."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, calls: Sequence[str]) -> str:
        self.sizes.append(len(calls))
        self.started.set()
        await self.go.wait()
        if self.failure:
            raise self.failure
        return "0" * len(calls)


async def test_what_waits_travels_together() -> None:
    store = Recorder()
    batcher = batcher_of(store)
    first = [asyncio.create_task(batcher.call(CALL)) for _ in range(5)]
    await store.started.wait()
    second = [asyncio.create_task(batcher.call(CALL)) for _ in range(300)]
    await asyncio.sleep(0)
    store.go.set()
    assert await asyncio.gather(*first, *second) == ["0"] * 305
    assert store.sizes == [5, 256, 44]


async def test_a_call_that_is_cancelled_while_it_waits_is_not_made() -> None:
    store = Recorder()
    batcher = batcher_of(store)
    first = asyncio.create_task(batcher.call(CALL))
    await store.started.wait()
    waiting = [asyncio.create_task(batcher.call(CALL)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    store.go.set()
    assert [await call for call in (first, waiting[0], waiting[2])] == ["0"] * 3
    assert store.sizes == [1, 2]


async def test_a_failure_is_told_to_everybody_who_waits() -> None:
    store = Recorder()
    store.failure = Unavailable("gone")
    batcher = batcher_of(store)
    calls = [asyncio.create_task(batcher.call(CALL)) for _ in range(600)]
    store.go.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["gone"] * 600
    assert len({id(answer) for answer in answers}) == 600
    assert store.sizes == [256]
    store.failure = None
    assert await batcher.call(CALL) == "0"


async def test_the_queue_is_bounded() -> None:
    store = Recorder()
    batcher = batcher_of(store)
    calls = [asyncio.create_task(batcher.call(CALL)) for _ in range(10_000)]
    store.go.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers.count("0") == 8192
    assert all(isinstance(answer, Unavailable) for answer in answers if answer != "0")


async def test_close_waits_for_what_is_under_way() -> None:
    store = Recorder()
    batcher = batcher_of(store)
    call = asyncio.create_task(batcher.call(CALL))
    await asyncio.sleep(0)
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0)
    assert not closing.done()
    store.go.set()
    await closing
    assert await call == "0"
    with pytest.raises(Unavailable):
        await batcher.call(CALL)


async def test_a_call_that_is_made_regardless_is_made_for_nobody() -> None:
    store = Recorder()
    batcher = batcher_of(store)
    first = asyncio.create_task(batcher.call(CALL))
    await store.started.wait()
    waiting = asyncio.create_task(batcher.call(CALL, regardless=True))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    store.go.set()
    assert await first == "0"
    await batcher.close()
    assert store.sizes == [1, 1]
