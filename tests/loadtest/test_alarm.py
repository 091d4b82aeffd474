"""The alarm clock rings once for each setting, never early."""

import asyncio
import time

import pytest

from loadtest.throttle.alarm import Alarm, alarm


@pytest.mark.parametrize("make", [alarm, Alarm])
async def test_it_rings_when_it_is_due_and_not_before(make: type[Alarm]) -> None:
    rung = asyncio.Event()
    clock = make(rung.set)
    try:
        for wait in (0.02, 0.0005, 0.0, -1.0):
            rung.clear()
            due = time.monotonic_ns() + round(wait * 1e9)
            clock.set(due)
            await asyncio.wait_for(rung.wait(), 5)
            # Timers of event loops are cut to their own resolution.
            assert time.monotonic_ns() >= due - 1_000_000
    finally:
        clock.close()


async def test_a_closed_one_is_silent() -> None:
    rung = asyncio.Event()
    clock = alarm(rung.set)
    clock.set(time.monotonic_ns() + 10_000_000)
    clock.close()
    await asyncio.sleep(0.05)
    assert not rung.is_set()
