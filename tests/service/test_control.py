"""The line between a supervisor and a worker."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tacita.service.control import Line, Silent, State, telling
from tacita.service.metrics import Metrics

_METRICS = Metrics("sample")


def state(reloads: int = 0) -> State:
    return State(["store"], reloads, 30.0, _METRICS.families())


@asynccontextmanager
async def line() -> AsyncIterator[tuple[Line, socket.socket]]:
    ours, theirs = socket.socketpair()
    with theirs:
        one = await Line.on(ours)
        try:
            yield one, theirs
        finally:
            await one.close()


async def test_the_worker_tells_how_it_is_as_often_as_it_is_asked() -> None:
    count = 0

    def now() -> State:
        nonlocal count
        count += 1
        return state(count)

    async with line() as (one, theirs), telling(theirs.detach(), now, lambda: None):
        for number in (1, 2, 3):
            told = await one.ask(5)
            assert (told.missing, told.reloads) == (["store"], number)
            assert told.families[-1].name.startswith("process_")
        # Questions at the same time are one.
        both = await asyncio.gather(one.ask(5), one.ask(5))
        assert both[0] is both[1]


async def test_who_does_not_answer_is_silent_and_a_late_answer_is_that_to_its_question() -> None:
    async with line() as (one, theirs):
        with pytest.raises(Silent):
            await one.ask(0.01)
        with pytest.raises(Silent):
            await one.ask(0.01)
        theirs.setblocking(False)
        assert theirs.recv(10) == b"?"
        async with telling(theirs.detach(), state, lambda: None):
            asking = asyncio.create_task(one.ask(5))
            await asyncio.sleep(0)
            assert not asking.done()
            asking.cancel()


@pytest.mark.parametrize("answer", [b"", b"\0\0", b"\0\0\0\2{}", b"\0\0\0\1?"])
async def test_whatever_comes_it_is_an_answer_or_silence(answer: bytes) -> None:
    async with line() as (one, theirs):
        theirs.send(answer)
        theirs.close()
        for _ in range(2):
            with pytest.raises(Silent):
                await one.ask(5)


async def test_a_worker_sees_that_its_supervisor_is_gone() -> None:
    ours, theirs = socket.socketpair()
    gone = asyncio.Event()
    async with telling(theirs.detach(), state, gone.set):
        assert not gone.is_set()
        ours.close()
        await asyncio.wait_for(gone.wait(), 5)
