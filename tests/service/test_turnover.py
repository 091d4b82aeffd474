"""Keys that are kept turned over: what fails is reported once and tried again, what hangs as well."""

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import ConfigError
from tacita.service import turnover
from tacita.service.logs import Logger
from tacita.service.turnover import Turning


class Keys:
    """Turns that do what a test says, and are numbered."""

    def __init__(self) -> None:
        self.pause = 0.001
        self.turns = 0
        self.does: Callable[[], None] = lambda: None

    def wait(self) -> float:
        return self.pause

    def turn(self) -> int:
        self.does()
        self.turns += 1
        return self.turns


class Kept:
    """Keys that are kept turned over, and what came of it."""

    def __init__(self) -> None:
        self.keys = Keys()
        self.reported: list[int] = []
        self.losses = 0
        self.fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stream = io.StringIO()
        self.turning = Turning(
            self.keys,
            Logger("sample", {"lost": {"kind": str}, "regained": {}}, stream=self._stream),
            self.fatal,
            events=("lost", "regained"),
            report=self.reported.append,
            lose=self._lose,
        )

    def _lose(self) -> None:
        self.losses += 1

    @property
    def events(self) -> list[tuple[str, str]]:
        said = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [(one["event"], one.get("kind", "")) for one in said]


@asynccontextmanager
async def kept() -> AsyncIterator[Kept]:
    one = Kept()
    task = asyncio.create_task(one.turning.keep())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.002)


def fail(error: Exception) -> Callable[[], None]:
    def turn() -> None:
        raise error

    return turn


async def test_each_turn_is_reported() -> None:
    async with kept() as one:
        await until(lambda: len(one.reported) >= 3)
        assert one.reported[:3] == [1, 2, 3]
        assert one.events == []


async def test_one_that_is_asked_for_comes_before_it_is_due() -> None:
    async with kept() as one:
        await until(lambda: one.reported != [])
        one.keys.pause = 3600
        await until(lambda: one.keys.turns == len(one.reported))
        await asyncio.sleep(0.05)
        before = one.keys.turns
        one.turning.ask()
        await until(lambda: one.keys.turns == before + 1)
        await asyncio.sleep(0.05)
        assert one.keys.turns == before + 1, "once"


@pytest.mark.parametrize("error", [ConfigError("canary"), ValueError("canary")])
async def test_what_fails_is_said_once_and_tried_again(error: Exception) -> None:
    async with kept() as one:
        one.keys.does = fail(error)
        await until(lambda: one.losses >= 3)
        one.keys.does = lambda: None
        await until(lambda: one.reported != [])
    events = [event for event in one.events if event[0] != "internal_error"]
    assert events == [("lost", type(error).__name__), ("regained", "")]
    assert ("internal_error", "ValueError") in one.events or isinstance(error, ConfigError)


async def test_one_that_hangs_is_a_failure_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnover, "_HANGS_SECONDS", 0.02)
    go_on = threading.Event()

    def hang() -> None:
        go_on.wait(10)

    async with kept() as one:
        one.keys.does = hang
        await until(lambda: one.losses >= 2)
        assert one.events == [("lost", "TimeoutError")]
        go_on.set()
        await until(lambda: one.reported != [])
    assert one.events == [("lost", "TimeoutError"), ("regained", "")]


@pytest.mark.parametrize("error", [ClockAhead("The clock is wrong."), ClockSetBack("The clock is wrong.")])
async def test_a_wrong_clock_is_the_end(error: Exception) -> None:
    one = Kept()
    one.keys.does = fail(error)
    await asyncio.wait_for(one.turning.keep(), 10)
    assert one.fatal.exception() is error
    # Whoever has ended the process already is not contradicted.
    await asyncio.wait_for(one.turning.keep(), 10)
    assert one.losses == 0
