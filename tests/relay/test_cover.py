"""Nobody waits longer than allowed, order says nothing, and whoever goes away is forgotten."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from relay.config import CoverConfig
from relay.cover import HELD, Batch, Cohort, Cover, Jitter, Resumed, Schedule, beginning

SECONDS = 2.0
GROUP = 4

visits = st.lists(st.tuples(st.floats(0, 3), st.none() | st.floats(0, 3)), max_size=40)
"""For each who comes: how long after the one before, and how long it has patience, if not for ever."""


def schedule(policy: str, seed: int = 0) -> Schedule[int]:
    if policy == "jitter":
        return Jitter(SECONDS, Random(seed))
    return Batch(GROUP, SECONDS, Random(seed))


def played(
    schedule: Schedule[int], visits: list[tuple[float, float | None]]
) -> Iterator[tuple[float, list[int]]]:
    """Play `visits` to `schedule`; yield when somebody went on, and who."""
    events: list[tuple[float, int, str]] = []
    now = 100.0
    for number, (pause, patience) in enumerate(visits):
        now += pause
        events.append((now, number, "join"))
        if patience is not None:
            events.append((now + patience, number, "leave"))
    for when, number, what in sorted([*events, (float("inf"), -1, "")]):
        while (rings := schedule.next()) is not None and rings <= when:
            gone = schedule.due(rings)
            assert gone, "somebody is due when `next` says so"
            yield rings, gone
        if what == "join":
            schedule.join(number, when)
            if gone := schedule.due(when):
                yield when, gone
        elif what == "leave":
            schedule.leave(number)


def times(visits: list[tuple[float, float | None]]) -> dict[int, tuple[float, float]]:
    """Return for each who came when that was, and when it went away by itself."""
    now, told = 100.0, {}
    for number, (pause, patience) in enumerate(visits):
        now += pause
        told[number] = now, float("inf") if patience is None else now + patience
    return told


# Schedules


@given(st.sampled_from(["jitter", "batch"]), visits, st.integers(0, 1000))
def test_nobody_waits_longer_than_allowed_and_all_go_on_once(
    policy: str, visits: list[tuple[float, float | None]], seed: int
) -> None:
    came = times(visits)
    went: Counter[int] = Counter()
    for when, gone in played(schedule(policy, seed), visits):
        for number in gone:
            begun, left = came[number]
            assert begun <= when <= begun + SECONDS
            assert when <= left
            went[number] += 1
    assert set(went.values()) <= {1}
    assert all(went[number] for number, (begun, left) in came.items() if left > begun + SECONDS)


@given(visits, st.integers(0, 1000))
def test_a_group_goes_on_when_it_is_complete_or_its_time_is_up(
    visits: list[tuple[float, float | None]], seed: int
) -> None:
    came = times(visits)
    for when, gone in played(schedule("batch", seed), visits):
        assert len(gone) <= GROUP
        if len(gone) < GROUP:
            # Not longer ago than that, and not sooner: the first of it may have gone away since.
            assert max(came[number][0] for number in gone) <= when
            assert when <= min(came[number][0] for number in gone) + SECONDS


@given(st.sampled_from(["jitter", "batch"]), visits)
def test_nothing_is_kept_of_those_who_have_gone(
    policy: str, visits: list[tuple[float, float | None]]
) -> None:
    waiting = schedule(policy)
    for _ in played(waiting, visits):
        pass
    assert waiting.next() is None
    assert not [kept for kept in vars(waiting).values() if isinstance(kept, list | dict) and kept]


def test_who_goes_away_does_not_fill_the_group() -> None:
    batch = schedule("batch")
    for number in range(GROUP - 1):
        batch.join(number, 0.0)
    batch.leave(0)
    batch.join(10, 1.0)
    assert batch.due(1.0) == []
    assert batch.next() == SECONDS
    batch.join(11, 1.5)
    assert set(batch.due(1.5)) == {1, 2, 10, 11}
    assert batch.next() is None


def test_a_group_that_all_have_left_begins_anew() -> None:
    batch = schedule("batch")
    batch.join(0, 0.0)
    batch.leave(0)
    assert batch.next() is None
    batch.join(1, 1.9)
    assert batch.due(2.1) == []
    assert batch.next() == 1.9 + SECONDS


def test_all_orders_of_a_group_are_equally_likely() -> None:
    seen: Counter[tuple[int, ...]] = Counter()
    random = Random(1)
    for _ in range(24_000):
        batch: Batch[int] = Batch(GROUP, SECONDS, random)
        for number in range(GROUP):
            batch.join(number, float(number) / 10)
        seen[tuple(batch.due(0.5))] += 1
    assert stats.chisquare([seen[order] for order in permutations(range(GROUP))]).pvalue > 0.01


def test_jitter_is_uniform_and_forgets_the_order() -> None:
    jitter: Jitter[int] = Jitter(SECONDS, Random(2))
    for number in range(5_000):
        jitter.join(number, 0.0)
    waits, order = [], []
    while (when := jitter.next()) is not None:
        gone = jitter.due(when)
        waits += [when] * len(gone)
        order += gone
    assert stats.kstest(waits, "uniform", (0, SECONDS)).pvalue > 0.01
    assert stats.kendalltau(order, range(5_000)).pvalue > 0.01


def test_two_with_the_same_time_are_both_kept() -> None:
    class Fixed(Random):
        def uniform(self, _low: float, high: float) -> float:
            return high

    jitter: Jitter[object] = Jitter(SECONDS, Fixed())
    first, second, third = object(), object(), object()
    for one in (first, second, third):
        jitter.join(one, 0.0)
    jitter.leave(second)
    assert jitter.due(SECONDS) == [first, third]


# Answers to a group


def test_answers_wait_for_all_of_their_group() -> None:
    cohort: Cohort[int] = Cohort(3, SECONDS, Random(0))
    cohort.join(0, 0.0)
    cohort.join(1, 1.0)
    assert cohort.due(1.0) == []
    cohort.join(2, 1.5)
    assert sorted(cohort.due(1.5)) == [0, 1, 2]


def test_answers_that_are_late_are_a_group_of_all_that_are_left() -> None:
    cohort: Cohort[int] = Cohort(4, SECONDS, Random(0))
    cohort.join(0, 0.0)
    assert cohort.due(SECONDS) == [0]
    cohort.join(1, 10.0)
    cohort.join(2, 10.5)
    assert cohort.due(10.5) == []
    assert cohort.next() == 10.0 + SECONDS
    cohort.join(3, 11.0)
    assert sorted(cohort.due(11.0)) == [1, 2, 3]


def test_nobody_waits_for_an_answer_that_will_not_come() -> None:
    cohort: Cohort[int] = Cohort(3, SECONDS, Random(0))
    cohort.join(0, 0.0)
    cohort.give_up()
    assert cohort.due(0.1) == []
    cohort.give_up()
    assert cohort.due(0.2) == [0]


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), min_size=1, max_size=20), st.integers(0, 9))
def test_no_answer_waits_longer_than_allowed(answers: list[tuple[float, bool]], seed: int) -> None:
    cohort: Cohort[int] = Cohort(len(answers), SECONDS, Random(seed))
    came, went = {}, {}
    for number, (when, answered) in sorted(enumerate(answers), key=lambda one: one[1][0]):
        while (rings := cohort.next()) is not None and rings <= when:
            went.update(dict.fromkeys(cohort.due(rings), rings))
        if answered:
            came[number] = when
            cohort.join(number, when)
        else:
            cohort.give_up()
        went.update(dict.fromkeys(cohort.due(when), when))
    # The last one to come, or to be given up, leaves nobody waiting.
    assert cohort.next() is None
    assert went.keys() == came.keys()
    assert all(came[number] <= went[number] <= came[number] + SECONDS for number in came)


# Tasks


def cover(**changes: float | str) -> Cover:
    table = {"policy": "batch", "seconds": 60.0, **changes}
    return Cover(CoverConfig(**table), Random(0))  # type: ignore[arg-type]


async def both_ways(cover: Cover) -> None:
    with cover.exchange() as way:
        await way.out()
        await way.back()


async def test_a_group_goes_out_and_comes_back_together() -> None:
    policy = cover(group=2)
    async with asyncio.timeout(10):
        await asyncio.gather(both_ways(policy), both_ways(policy))


async def test_one_alone_goes_on_after_its_time_and_comes_back_at_once() -> None:
    loop = asyncio.get_running_loop()
    with cover(group=2, seconds=0.05).exchange() as way:
        begun = loop.time()
        await way.out()
        assert loop.time() - begun > 0.04
        waits = asyncio.create_task(way.back())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waits.done()


async def test_a_task_that_is_cancelled_has_left() -> None:
    policy = cover(group=2)
    first = asyncio.create_task(both_ways(policy))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(both_ways(policy))
    await asyncio.sleep(0.01)
    assert not second.done()
    async with asyncio.timeout(10):
        await asyncio.gather(second, both_ways(policy))


async def test_who_is_cancelled_in_the_moment_of_release_holds_nobody_up() -> None:
    policy = cover(group=3)
    tasks = [asyncio.create_task(both_ways(policy)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()  # Everybody has just been let go.
    async with asyncio.timeout(10):
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in done if one is None] == [None, None]


@pytest.mark.parametrize("when", ["before its answer", "while its answer waits", "as its answer is let go"])
async def test_who_goes_away_before_the_answer_holds_nobody_up(when: str) -> None:
    policy = cover(group=3)
    answers = [asyncio.Event() for _ in range(3)]

    async def exchange(number: int) -> None:
        with policy.exchange() as way:
            await way.out()
            await answers[number].wait()
            await way.back()

    tasks = [asyncio.create_task(exchange(number)) for number in range(3)]
    await asyncio.sleep(0.01)
    if when != "before its answer":
        answers[0].set()
        await asyncio.sleep(0.01)
    if when == "as its answer is let go":
        answers[1].set()
        answers[2].set()
        await asyncio.sleep(0)  # The last of them has joined, and let all go.
    else:
        answers[1].set()
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    answers[2].set()
    async with asyncio.timeout(10):
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert done[1:] == [None, None]


async def test_to_come_back_twice_is_no_second_wait() -> None:
    policy = cover(group=2)

    async def exchange() -> None:
        with policy.exchange() as way:
            await way.out()
            await way.back()
            await way.back()

    async with asyncio.timeout(10):
        await asyncio.gather(exchange(), exchange())


async def test_many_with_times_of_their_own() -> None:
    policy = cover(policy="jitter", seconds=0.05)
    async with asyncio.timeout(10):
        await asyncio.gather(*(both_ways(policy) for _ in range(500)))


async def test_tasks_go_on_in_the_order_of_the_lot() -> None:
    class Backwards(Random):
        def shuffle(self, x: list[object]) -> None:  # type: ignore[override]
            x.reverse()

    policy = Cover(CoverConfig(policy="batch", group=3, seconds=60.0), Backwards())
    out: list[int] = []
    back: list[int] = []

    async def one(number: int) -> None:
        with policy.exchange() as way:
            await way.out()
            out.append(number)
            await way.back()
            back.append(number)

    async with asyncio.timeout(10):
        await asyncio.gather(*(one(number) for number in range(3)))
    assert out == [2, 1, 0]
    assert back == [0, 1, 2]


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"seconds": 61}, {"group": 1}, {"exchanges": 4, "group": 5}]
)
def test_what_covers_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"is|has"):
        CoverConfig(policy="batch", **wrong)  # type: ignore[arg-type]


# Beginnings


class Pieces:
    """Gives one piece after the other, and empty ones behind the last."""

    def __init__(self, *pieces: bytes) -> None:
        self._left = list(pieces)

    async def read(self) -> bytes:
        return self._left.pop(0) if self._left else b""


async def test_the_beginning_of_a_message() -> None:
    assert await beginning(Pieces(b"a", b"b").read, whole=True) == (b"ab", True)
    assert await beginning(Pieces(b"a", b"b").read, whole=False) == (b"a", False)
    assert await beginning(Pieces().read, whole=True) == (b"", True)
    assert await beginning(Pieces().read, whole=False) == (b"", True)


async def test_no_more_is_held_than_allowed() -> None:
    pieces = Pieces(*[bytes(1000)] * 100)
    held, ended = await beginning(pieces.read, whole=True)
    assert HELD <= len(held) < HELD + 1000
    assert not ended
    assert sum([len(piece) async for piece in Resumed(held, pieces.read)]) == 100_000


async def test_what_was_held_comes_first() -> None:
    assert [piece async for piece in Resumed(b"held", Pieces(b"more").read)] == [b"held", b"more"]
    assert [piece async for piece in Resumed(b"", Pieces().read)] == []
