"""Deadlines end what runs too long, as `asyncio.timeout_at` does, and nothing else."""

import asyncio
import gc

import pytest

from tacita.net.deadlines import Deadlines


def soon(seconds: float = 0.01) -> float:
    return asyncio.get_running_loop().time() + seconds


@pytest.fixture
def deadlines() -> Deadlines:
    return Deadlines()


async def test_what_waits_too_long_is_told_where_it_waits(deadlines: Deadlines) -> None:
    told: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            told.append("where it waits")

    with pytest.raises(TimeoutError) as caught, deadlines.until(soon()):
        await wait()
    assert told
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    # Nobody but us had asked the task to end.
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    await asyncio.sleep(0)


async def test_one_that_has_passed_ends_the_first_wait(deadlines: Deadlines) -> None:
    with pytest.raises(TimeoutError), deadlines.until(soon(-1)):
        await asyncio.sleep(3600)


async def test_what_is_done_in_time_is_left_alone(deadlines: Deadlines) -> None:
    with deadlines.until(soon()):
        pass
    await asyncio.sleep(0.05)
    with deadlines.until(soon(3600)):
        await asyncio.sleep(0.02)


async def test_each_ends_at_its_own_time_whatever_the_order_in_which_they_began(deadlines: Deadlines) -> None:
    ended: list[int] = []

    async def one(number: int, seconds: float) -> None:
        with pytest.raises(TimeoutError), deadlines.until(soon(seconds)):
            await asyncio.sleep(3600)
        ended.append(number)

    async with asyncio.timeout(30):
        await asyncio.gather(one(3, 0.3), one(1, 0.1), one(4, 0.4), one(2, 0.2))
    assert ended == [1, 2, 3, 4]


async def test_an_inner_one_does_not_end_what_surrounds_it(deadlines: Deadlines) -> None:
    with deadlines.until(soon(3600)):
        with pytest.raises(TimeoutError), deadlines.until(soon()):
            await asyncio.sleep(3600)
        await asyncio.sleep(0.01)


async def test_an_outer_one_ends_what_is_inside(deadlines: Deadlines) -> None:
    with pytest.raises(TimeoutError), deadlines.until(soon()), deadlines.until(soon(3600)):
        await asyncio.sleep(3600)


async def test_a_task_that_somebody_cancels_is_cancelled(deadlines: Deadlines) -> None:
    async def work() -> None:
        with deadlines.until(soon(0.05)):
            await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_so_is_one_that_is_cancelled_when_its_time_is_over_too(deadlines: Deadlines) -> None:
    async def work() -> None:
        with deadlines.until(soon(3600)) as deadline:
            task.cancel()
            deadline.expire()
            await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_comes_out_as_it_is(deadlines: Deadlines) -> None:
    with pytest.raises(KeyError), deadlines.until(soon(3600)):
        raise KeyError

    async def turned() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise KeyError from None

    with pytest.raises(KeyError), deadlines.until(soon()):
        await turned()


async def test_it_is_for_tasks_only(deadlines: Deadlines) -> None:
    failed: list[RuntimeError] = []

    def call() -> None:
        with pytest.raises(RuntimeError) as caught, deadlines.until(0):
            pass
        failed.append(caught.value)

    asyncio.get_running_loop().call_soon(call)
    await asyncio.sleep(0.01)
    assert failed


async def test_what_was_left_is_not_kept(deadlines: Deadlines) -> None:
    class Held:
        alive = 0

        def __init__(self) -> None:
            Held.alive += 1

        def __del__(self) -> None:
            Held.alive -= 1

    async def work(_held: Held) -> None:
        with deadlines.until(soon(3600)):
            await asyncio.sleep(0)

    await asyncio.gather(*(work(Held()) for _ in range(10)))
    gc.collect()
    assert not Held.alive
