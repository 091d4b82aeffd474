import asyncio

import pytest

from node.admission import Admission
from node.errors import Busy


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_places_are_given_in_the_order_of_the_line() -> None:
    admission = Admission(1, waiting=2, seconds=60)
    order: list[int] = []

    async def use(number: int) -> None:
        await admission.enter()
        order.append(number)

    await use(0)
    tasks = [asyncio.create_task(use(number)) for number in (1, 2)]
    await settle()
    assert (admission.running, admission.waiting, order) == (1, 2, [0])
    for _ in tasks:
        admission.leave()
        await settle()
    assert order == [0, 1, 2]
    assert (admission.running, admission.waiting) == (1, 0)
    await asyncio.gather(*tasks)


async def test_a_full_line_refuses_at_once() -> None:
    admission = Admission(2, waiting=0, seconds=60)
    await admission.enter()
    await admission.enter()
    with pytest.raises(Busy):
        await admission.enter()
    admission.leave()
    await admission.enter()
    assert admission.running == 2


async def test_waiting_too_long_is_refused_and_leaves_the_line() -> None:
    admission = Admission(1, waiting=1, seconds=0.01)
    await admission.enter()
    with pytest.raises(Busy):
        await admission.enter()
    assert (admission.running, admission.waiting) == (1, 0)


async def test_who_goes_away_leaves_the_line_and_costs_no_place() -> None:
    admission = Admission(1, waiting=1, seconds=60)
    await admission.enter()
    task = asyncio.create_task(admission.enter())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert admission.waiting == 0
    admission.leave()
    await admission.enter()
    assert admission.running == 1
