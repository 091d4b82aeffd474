"""Groups, their order, and that nobody in one suffers from another."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from issuer.coalesce import Coalescer, QueueFull


class Work:
    """Answers each number with its double, keeps the groups, and waits to be let through."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Semaphore(0)
        self.wrong: set[int] = set()
        self.defect = False

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(items))
        self.entered.release()
        self.open.wait()
        if self.defect:
            raise ArithmeticError
        return [ValueError(item) if item in self.wrong else 2 * item for item in items]

    async def entry(self) -> None:
        """Wait until a group has begun."""
        await asyncio.to_thread(self.entered.acquire)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def one(work: Work) -> AsyncIterator[Coalescer[int, int]]:
    """One thread, of groups of 10 at most, for which four is worth it; 20 may wait."""
    async with Coalescer(work, threads=1, lanes=4, limit=10, linger=600, capacity=20) as coalescer:
        yield coalescer
        work.open.set()


async def submit(coalescer: Coalescer[int, int], *items: int, size: int = 1) -> list["asyncio.Task[int]"]:
    tasks = [asyncio.create_task(coalescer.submit(item, size)) for item in items]
    await asyncio.sleep(0)  # each has put itself into the queue
    return tasks


async def test_full_lanes_go_at_once_and_in_order(work: Work, one: Coalescer[int, int]) -> None:
    assert await asyncio.gather(*await submit(one, 1, 2, 3, 4)) == [2, 4, 6, 8]
    assert work.groups == [[1, 2, 3, 4]]


async def test_a_large_item_waits_for_nobody(work: Work, one: Coalescer[int, int]) -> None:
    assert await one.submit(7, 100) == 14
    assert work.groups == [[7]]


async def test_what_is_alone_waits_for_nobody_and_has_no_company(
    work: Work, one: Coalescer[int, int]
) -> None:
    assert await one.submit(7, 1, alone=True) == 14
    work.open.clear()
    first = await submit(one, 1, size=4)
    await work.entry()
    await work.entry()
    rest = [asyncio.create_task(one.submit(item, 1, alone=item == 3)) for item in (2, 3, 4, 5, 6, 7)]
    await asyncio.sleep(0)
    work.open.set()
    assert await asyncio.gather(*first, *rest) == [2, 4, 6, 8, 10, 12, 14]
    assert work.groups == [[7], [1], [2], [3], [4, 5, 6, 7]]


async def test_few_go_when_their_time_is_over(work: Work) -> None:
    async with Coalescer(work, threads=1, linger=0.0003, capacity=9) as coalescer:
        assert await coalescer.submit(1, 1) == 2
        assert await coalescer.submit(2, 1) == 4
    assert work.groups == [[1], [2]]


async def test_what_came_while_a_thread_worked_goes_together(work: Work, one: Coalescer[int, int]) -> None:
    work.open.clear()
    first = await submit(one, 1, size=5)
    await work.entry()
    rest = await submit(one, 2, 3, 4, 5, size=4)
    work.open.set()
    assert await asyncio.gather(*first, *rest) == [2, 4, 6, 8, 10]
    assert work.groups == [[1], [2, 3], [4, 5]]  # 10 is the most that a group may be


async def test_threads_work_side_by_side(work: Work) -> None:
    work.open.clear()
    async with Coalescer(work, threads=2, lanes=1, capacity=9) as coalescer:
        tasks = await submit(coalescer, 1)
        await work.entry()
        tasks += await submit(coalescer, 2)
        await work.entry()
        assert not any(task.done() for task in tasks)
        work.open.set()
        assert await asyncio.gather(*tasks) == [2, 4]


async def test_an_error_is_of_one(work: Work, one: Coalescer[int, int]) -> None:
    work.wrong = {2}
    outcomes = await asyncio.gather(*await submit(one, 1, 2, 3, 4), return_exceptions=True)
    assert [outcomes[0], *outcomes[2:]] == [2, 6, 8]
    assert isinstance(outcomes[1], ValueError)


async def test_a_defect_is_of_all_and_not_the_end(work: Work, one: Coalescer[int, int]) -> None:
    work.defect = True
    outcomes = await asyncio.gather(*await submit(one, 1, 2, 3, 4), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ArithmeticError] * 4
    work.defect = False
    assert await one.submit(1, 4) == 2


async def test_who_goes_away_while_waiting_is_not_worked_for(work: Work, one: Coalescer[int, int]) -> None:
    tasks = await submit(one, 1, 2, 3)
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    tasks += await submit(one, 4, 5)
    del tasks[1]
    assert await asyncio.gather(*tasks) == [2, 6, 8, 10]
    assert work.groups == [[1, 3, 4, 5]]


async def test_who_goes_away_in_the_middle_harms_nobody(work: Work, one: Coalescer[int, int]) -> None:
    work.open.clear()
    tasks = await submit(one, 1, 2, 3, 4)
    await work.entry()
    tasks.pop(1).cancel()
    work.open.set()
    assert await asyncio.gather(*tasks) == [2, 6, 8]


async def test_the_queue_is_bounded(work: Work, one: Coalescer[int, int]) -> None:
    work.open.clear()
    tasks = await submit(one, 1, size=5)
    await work.entry()
    tasks += await submit(one, 2, size=1000)  # an item of any size, where nothing waits
    one_more = await submit(one, 3)
    with pytest.raises(QueueFull):
        one.require_room(1)
    with pytest.raises(QueueFull):
        await one_more[0]
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    one.require_room(1000)
    tasks[1:] = await submit(one, 4, 5, size=10)
    with pytest.raises(QueueFull):
        one.require_room(1)
    work.open.set()
    assert await asyncio.gather(*tasks) == [2, 8, 10]


async def test_what_waits_at_the_end_is_done(work: Work) -> None:
    async with Coalescer(work, threads=2, lanes=100, linger=600, capacity=9) as coalescer:
        tasks = await submit(coalescer, 1, 2, 3)
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert work.groups == [[1, 2, 3]]
