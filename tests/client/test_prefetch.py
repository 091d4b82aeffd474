"""Tokens are fetched at moments that nobody's asking moves (R3), on a clock by hand."""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest
from scipy import stats

from tacita.client.errors import QuotaUsedUp
from tacita.client.issuance import BATCH
from tacita.client.prefetch import Moments, is_low, keep_filled
from tacita.errors import TacitaError

HOUR = 3600.0
DAY = 24 * HOUR
MEAN = 2 * HOUR


class Person:
    """Somebody with a wallet who asks at `uses`; time passes while `sleep` is awaited."""

    def __init__(self, uses: Sequence[float] = (), tokens: int = 0, *, days: float = 60) -> None:
        self.now = 0.0
        self.tokens = tokens
        self.looks: list[float] = []
        self.fetches: list[float] = []
        self._uses = sorted(uses, reverse=True)
        self._end = days * DAY

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
        while self._uses and self._uses[-1] <= self.now:
            self._uses.pop()
            # With an empty wallet `tacita ask` fetches for itself.
            self.tokens = self.tokens - 1 if self.tokens else BATCH - 1
        if self.now > self._end:
            raise asyncio.CancelledError

    async def fill(self) -> None:
        self.looks.append(self.now)
        if is_low(self.tokens):
            self.fetches.append(self.now)
            self.tokens += BATCH

    async def live(self, seed: int = 0) -> None:
        with pytest.raises(asyncio.CancelledError):
            await keep_filled(
                self.fill, mean_seconds=MEAN, random=Random(seed), clock=lambda: self.now, sleep=self.sleep
            )


def busy(seed: int, days: float = 60) -> list[float]:
    """Return when somebody asks who does so a hundred times a day, within some hours."""
    random = Random(seed)
    return [
        day * DAY + 9 * HOUR + random.uniform(0, 8 * HOUR) for day in range(int(days)) for _ in range(100)
    ]


async def test_use_moves_no_moment() -> None:
    idle, often, other = Person(tokens=1000), Person(busy(1)), Person(busy(2), tokens=50)
    for person in (idle, often, other):
        await person.live()
    assert idle.looks == often.looks == other.looks
    assert not idle.fetches
    assert len(often.fetches) > 30
    assert set(often.fetches) <= set(idle.looks)


async def test_a_fetch_is_no_likelier_after_a_use() -> None:
    uses = busy(3)
    person = Person(uses)
    await person.live()
    # Where between the use before and the use after does a moment lie? Anywhere alike.
    places = []
    for moment in person.looks:
        before = max((use for use in uses if use <= moment), default=None)
        after = min((use for use in uses if use > moment), default=None)
        if before is not None and after is not None:
            places.append((moment - before) / (after - before))
    assert len(places) > 400
    assert stats.kstest(places, "uniform").pvalue > 0.01


async def test_moments_have_no_pattern() -> None:
    person = Person(tokens=1000, days=400)
    await person.live(seed=7)
    gaps = [later - sooner for sooner, later in zip(person.looks, person.looks[1:], strict=False)]
    assert stats.kstest(gaps, "expon", (0, MEAN)).pvalue > 0.01


async def test_a_wallet_is_filled_before_it_is_empty() -> None:
    # Thirty questions a day.
    random = Random(5)
    person = Person([random.uniform(0, 60 * DAY) for _ in range(1800)], tokens=BATCH)
    lowest = person.tokens

    async def sleep(seconds: float, before=person.sleep) -> None:  # type: ignore[no-untyped-def]
        nonlocal lowest
        await before(seconds)
        lowest = min(lowest, person.tokens)

    person.sleep = sleep  # type: ignore[method-assign]
    await person.live()
    assert lowest > BATCH / 2


def test_a_missed_moment_is_not_made_up_for() -> None:
    moments = Moments(0.0, mean_seconds=MEAN, random=Random(0))
    first = moments.next
    assert not moments.come(first - 1)
    assert moments.next == first
    # The machine slept; that somebody is back must not show at the issuer.
    assert not moments.come(first + HOUR)
    assert moments.next > first + HOUR
    assert moments.come(moments.next)


async def test_a_failure_is_told_and_the_next_moment_is_another_try() -> None:
    person, told = Person(days=3), []

    async def fill() -> None:
        person.looks.append(person.now)
        raise QuotaUsedUp("The account has had its tokens for this period.")

    def tell(error: TacitaError) -> None:
        told.append(error)

    with pytest.raises(asyncio.CancelledError):
        await keep_filled(
            fill,
            told=tell,
            mean_seconds=MEAN,
            random=Random(0),
            clock=lambda: person.now,
            sleep=person.sleep,
        )
    assert len(told) == len(person.looks) > 10


async def test_an_error_that_is_none_of_ours_ends_it() -> None:
    person = Person()

    async def fill() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await keep_filled(fill, random=Random(0), clock=lambda: person.now, sleep=person.sleep)
