"""Lanes by themselves: what waits for what."""

import asyncio
from collections.abc import Sequence

import pytest

from tacita.errors import TacitaError
from tacita.service.lanes import Lanes


class Unavailable(TacitaError):
    pass


class Places:
    """Remembers batches, and keeps those of the place `closed` until `go`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = asyncio.Event()

    async def __call__(self, calls: Sequence[str]) -> list[str]:
        self.batches.append(list(calls))
        if calls[0].startswith("closed"):
            await self.go.wait()
        return [call.upper() for call in calls]


@pytest.fixture
def places() -> Places:
    return Places()


@pytest.fixture
def lanes(places: Places) -> Lanes[str, str]:
    return Lanes(places, Unavailable, "store", lambda call: call.split("-")[0])


async def test_calls_of_one_place_travel_together_and_wait_for_no_other(
    places: Places, lanes: Lanes[str, str]
) -> None:
    waiting = [asyncio.create_task(lanes.call(f"closed-{n}")) for n in range(2)]
    assert await asyncio.gather(*(lanes.call(f"open-{n}") for n in range(3))) == [
        "OPEN-0",
        "OPEN-1",
        "OPEN-2",
    ]
    assert places.batches == [["closed-0", "closed-1"], ["open-0", "open-1", "open-2"]]
    assert not any(task.done() for task in waiting)
    places.go.set()
    assert await asyncio.gather(*waiting) == ["CLOSED-0", "CLOSED-1"]


async def test_close_waits_for_every_lane_and_takes_no_new_one(
    places: Places, lanes: Lanes[str, str]
) -> None:
    waiting = asyncio.create_task(lanes.call("closed-0"))
    await lanes.call("open-0")
    closing = asyncio.create_task(lanes.close())
    await asyncio.sleep(0)
    assert not closing.done()
    for call in ("open-1", "closed-1", "new-0"):
        with pytest.raises(Unavailable, match="closed"):
            await lanes.call(call)
    places.go.set()
    await closing
    assert await waiting == "CLOSED-0"
    await lanes.close()
