"""What every `issuer.quota.Quota` must do. Each implementation runs this suite, on the real thing.

A test module makes a class of `QuotaContract` and a fixture `world`, which knows how to open the quota,
look into its storage, take that away, and give it back.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from support.clocks import Clock

from issuer.attesters import Account
from issuer.errors import (
    ClockSetBack,
    IssuerError,
    LimitReached,
    OverBurst,
    OverDailyLimit,
    OverQuota,
    QuotaUnavailable,
    QuotaUsedUp,
    TooManyRepeats,
)
from issuer.quota import Quota
from issuer.quota.claims import MAX_REPEATS, Claims
from issuer.quota.tally import Tally
from issuer.tiers import BURST_SECONDS, Tier

__all__ = ["DAY", "KEY", "NOON", "PERIOD", "QuotaContract", "World"]

KEY = bytes(range(32))
DAY = 86_400
PERIOD = 10 * DAY
# In the future: a server drops by its own clock what has ended. Noon of the third day of a period.
NOON = (int(time.time()) // PERIOD + 2) * PERIOD + 2.5 * DAY

ALICE = Account("alice", 20)
BRISK = Account("brisk", Tier(tokens=1000, burst=10))
STEADY = Account("steady", Tier(tokens=25, per_day=10))


class World(Protocol):
    """The storage below one quota of `PERIOD`, whose hashes are made with `KEY`."""

    clock: Clock

    async def open(self) -> Quota:
        """Open the quota once more on the same storage."""

    async def charged(self) -> list[int]:
        """Return the tokens of every record, read past the quota."""

    async def content(self) -> bytes:
        """Return every byte of the storage."""

    async def take_away(self) -> None:
        """Make the storage unusable; no open quota is told."""

    async def give_back(self) -> None:
        """Make it usable again, with everything that was on it."""


async def accepted(quota: Quota, account: Account, tokens: int) -> bool:
    """Charge a request that nobody has seen; return whether it was granted."""
    try:
        return (await quota.charge(account, os.urandom(16), tokens)).fresh
    except LimitReached:
        return False


class QuotaContract:
    """The rules in the docstring of `issuer.quota`."""

    @pytest.fixture
    async def quota(self, world: World) -> AsyncIterator[Quota]:
        async with await world.open() as quota:
            yield quota

    async def test_fifty_at_once_on_a_quota_of_twenty_grant_exactly_twenty(self, world: World) -> None:
        async with await world.open() as one, await world.open() as other:
            granted = await asyncio.gather(
                *(accepted((one, other)[place % 2], ALICE, 1) for place in range(50))
            )
        assert granted.count(True) == 20
        assert await world.charged() == [20]

    async def test_it_is_stored_when_charge_returns(self, quota: Quota, world: World) -> None:
        await quota.charge(ALICE, b"request", 7)
        assert await world.charged() == [7]

    async def test_what_does_not_fit_leaves_the_rest(self, quota: Quota) -> None:
        await quota.charge(ALICE, b"request", 15)
        with pytest.raises(OverQuota) as refusal:
            await quota.charge(ALICE, b"too much", 6)
        assert refusal.value.left == 5
        assert await accepted(quota, ALICE, 5)

    async def test_a_quota_that_was_lowered_leaves_nothing(self, quota: Quota) -> None:
        await quota.charge(ALICE, b"request", 15)
        with pytest.raises(OverQuota) as refusal:
            await quota.charge(Account("alice", 5), b"other", 1)
        assert refusal.value.left == 0

    async def test_the_same_request_at_once_pays_once(self, quota: Quota, world: World) -> None:
        charges = await asyncio.gather(*(quota.charge(ALICE, b"request", 20) for _ in range(5)))
        assert [charge.fresh for charge in charges].count(True) == 1
        assert await world.charged() == [20]

    async def test_the_same_request_of_another_account_pays(self, quota: Quota) -> None:
        assert (await quota.charge(ALICE, b"request", 20)).fresh
        assert (await quota.charge(Account("bob", 20), b"request", 20)).fresh

    async def test_repeats_are_bounded(self, quota: Quota, world: World) -> None:
        await quota.charge(ALICE, b"request", 5)
        for _ in range(MAX_REPEATS):
            assert not (await quota.charge(ALICE, b"request", 5)).fresh
        with pytest.raises(TooManyRepeats):
            await quota.charge(ALICE, b"request", 5)
        assert await world.charged() == [5]

    async def test_a_repeat_is_granted_whatever_limits_say(self, quota: Quota) -> None:
        for account in (BRISK, STEADY):
            assert (await quota.charge(account, b"request", 10)).fresh
            assert not (await quota.charge(account, b"request", 10)).fresh

    async def test_the_next_period_begins_anew(self, quota: Quota, world: World) -> None:
        assert (await quota.charge(ALICE, b"request", 20)).fresh
        world.clock.now += PERIOD
        assert (await quota.charge(ALICE, b"request", 20)).fresh

    async def test_over_quota_names_the_end_of_the_period(self, quota: Quota, world: World) -> None:
        with pytest.raises(OverQuota) as refusal:
            await quota.charge(ALICE, b"request", 21)
        wait = int(PERIOD - 2.5 * DAY)
        assert refusal.value.fields == {
            "Retry-After": str(wait),
            "RateLimit": f'"tokens";r=20;t={wait}',
        }
        assert refusal.value.status == 429

    async def test_a_day_has_its_limit(self, quota: Quota, world: World) -> None:
        assert await accepted(quota, STEADY, 10)
        with pytest.raises(OverDailyLimit) as refusal:
            await quota.charge(STEADY, b"request", 1)
        assert refusal.value.fields == {
            "Retry-After": str(DAY // 2),
            "RateLimit": f'"day";r=0;t={DAY // 2}',
        }
        world.clock.now += DAY / 2
        assert await accepted(quota, STEADY, 10)
        world.clock.now += DAY
        # The quota of the period counts on, and is what is named: it frees up last.
        assert not await accepted(quota, STEADY, 10)
        with pytest.raises(OverQuota):
            await quota.charge(STEADY, b"request", 10)
        assert await accepted(quota, STEADY, 5)

    async def test_a_burst_has_its_limit_and_refills(self, quota: Quota, world: World) -> None:
        assert await accepted(quota, BRISK, 8)
        with pytest.raises(OverBurst) as refusal:
            await quota.charge(BRISK, b"request", 5)
        # Two are there; three more take three tenths of the window.
        wait = 3 * BURST_SECONDS // 10
        assert refusal.value.fields == {"Retry-After": str(wait), "RateLimit": f'"burst";r=2;t={wait}'}
        world.clock.now += wait - 1
        assert not await accepted(quota, BRISK, 5)
        world.clock.now += 1
        assert await accepted(quota, BRISK, 5)
        assert not await accepted(quota, BRISK, 1)
        world.clock.now += BURST_SECONDS
        assert await accepted(quota, BRISK, 10)
        assert not await accepted(quota, BRISK, 1)

    async def test_more_than_a_burst_ever_holds_is_refused_and_says_when_it_is_full(
        self, quota: Quota
    ) -> None:
        assert await accepted(quota, BRISK, 5)
        with pytest.raises(OverBurst) as refusal:
            await quota.charge(BRISK, b"request", 11)
        assert refusal.value.fields["Retry-After"] == str(BURST_SECONDS // 2)

    async def test_bursts_at_once_grant_no_more_than_one(self, world: World) -> None:
        async with await world.open() as one, await world.open() as other:
            granted = await asyncio.gather(
                *(accepted((one, other)[place % 2], BRISK, 1) for place in range(40))
            )
        assert granted.count(True) == 10

    async def test_each_limit_has_its_own_problem_type(self, quota: Quota) -> None:
        everything = Account("everything", Tier(tokens=30, per_day=20, burst=10))
        types = set()
        for tokens in (31, 21, 11):
            with pytest.raises(LimitReached) as refusal:
                await quota.charge(everything, b"request", tokens)
            assert refusal.value.status == 429
            types.add(refusal.value.problem_type)
        assert len(types) == 3

    async def test_a_random_walk_agrees_with_the_tally(self, quota: Quota, world: World) -> None:
        chance = random.Random(7)
        tier = Tier(tokens=400, per_day=60, burst=25)
        account = Account("walker", tier)
        claims = Claims(KEY, PERIOD, world.clock)
        tally, answers = Tally(), set[object]()
        for step in range(300):
            world.clock.now += chance.choice([0, 0, 0.25, 1, 7, 40, 3_000, 9_000])
            tokens = chance.randint(1, 26)
            request = b"%d" % step
            claim, _ = claims.claim(account, request, tokens)
            expected: object
            try:
                after, expected = tally.charged(claim), True
            except LimitReached as error:
                after, expected = tally, (type(error), error.fields)
            got: object
            try:
                charge = await quota.charge(account, request, tokens)
                got = charge.fresh
            except LimitReached as error:
                got = (type(error), error.fields)
            assert got == expected
            answers.add(expected if expected is True else expected[0])  # type: ignore[index]
            if got is True and chance.random() < 0.2:
                world.clock.now += chance.choice([0, 1, 30])
                await quota.refund(charge)
                after = after.refunded(claim, claims.now())
            tally = after
        assert answers >= {True, OverBurst, OverDailyLimit}
        assert await world.charged() == [tally.tokens]

    async def test_a_fresh_charge_is_refunded_in_every_limit(self, quota: Quota, world: World) -> None:
        for account in (Account("alice", 10), BRISK, STEADY):
            charge = await quota.charge(account, b"request", 10)
            assert not await accepted(quota, account, 1)
            await quota.refund(charge)
            await quota.refund(charge)
            assert (await quota.charge(account, b"request", 10)).fresh
            assert not await accepted(quota, account, 1)

    async def test_a_late_refund_gives_no_burst_that_has_refilled_already(
        self, quota: Quota, world: World
    ) -> None:
        charge = await quota.charge(BRISK, b"request", 10)
        world.clock.now += BURST_SECONDS
        assert await accepted(quota, BRISK, 10)
        await quota.refund(charge)
        assert not await accepted(quota, BRISK, 1)

    async def test_a_repeated_charge_is_never_refunded(self, quota: Quota, world: World) -> None:
        first = await quota.charge(ALICE, b"request", 5)
        await quota.refund(await quota.charge(ALICE, b"request", 5))
        assert await world.charged() == [5]
        # Nor is the first one, now that somebody else was granted it.
        await quota.refund(first)
        assert await world.charged() == [5]

    async def test_an_account_without_periods_is_used_up(self, quota: Quota, world: World) -> None:
        invited = Account("invited", 20, until=int(NOON) + 40 * DAY)
        charge = await quota.charge(invited, b"request", 15)
        world.clock.now += PERIOD
        await quota.forget_past()
        assert not (await quota.charge(invited, b"request", 15)).fresh
        with pytest.raises(QuotaUsedUp) as refusal:
            await quota.charge(invited, b"too much", 6)
        assert (refusal.value.status, refusal.value.left) == (403, 5)
        await quota.refund(charge)
        assert await accepted(quota, invited, 5)

    async def test_a_cancelled_caller_still_refunds(self, quota: Quota, world: World) -> None:
        charge = await quota.charge(ALICE, b"request", 5)
        refund = asyncio.create_task(quota.refund(charge))
        await asyncio.sleep(0)
        refund.cancel()
        await asyncio.gather(refund, return_exceptions=True)
        await quota.check()  # behind the refund in the queue
        assert await world.charged() == [0]

    async def test_a_cancelled_caller_does_not_disturb_the_others(self, quota: Quota, world: World) -> None:
        callers = [asyncio.create_task(quota.charge(ALICE, b"request %d" % n, 1)) for n in range(6)]
        await asyncio.sleep(0)
        for caller in callers[::2]:
            caller.cancel()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, False] * 3
        # Whoever was cancelled may have been charged, and asks again for nothing.
        for number in range(6):
            await quota.charge(ALICE, b"request %d" % number, 1)
        assert await world.charged() == [6]

    async def test_a_clock_that_was_set_back_is_refused(self, world: World) -> None:
        async with await world.open() as quota:
            await quota.charge(ALICE, b"request", 1)
            charge = await quota.charge(ALICE, b"another", 1)
            world.clock.now -= PERIOD
            calls = (quota.charge(ALICE, b"other", 1), quota.charge(ALICE, b"request", 1), quota.check())
            for call in calls:
                with pytest.raises(ClockSetBack):
                    await call
            world.clock.now += PERIOD
            await quota.check()
            await quota.refund(charge)

    async def test_no_account_or_request_stands_in_the_storage(self, quota: Quota, world: World) -> None:
        account = Account("an-account-id-that-shows", 9)
        await quota.charge(account, b"a-body-that-shows", 1)
        first = await world.content()
        assert first
        assert b"that-shows" not in first

    async def test_everything_survives_a_restart(self, world: World) -> None:
        async with await world.open() as quota:
            await quota.charge(ALICE, b"request", 20)
            await quota.charge(BRISK, b"request", 10)
        await world.take_away()
        await world.give_back()
        async with await world.open() as quota:
            assert not (await quota.charge(ALICE, b"request", 20)).fresh
            assert not await accepted(quota, ALICE, 1)
            assert not await accepted(quota, BRISK, 1)

    async def test_without_storage_nothing_is_granted(self, quota: Quota, world: World) -> None:
        charge = await quota.charge(ALICE, b"request", 5)
        await world.take_away()
        calls = [quota.charge(ALICE, b"other %d" % number, 1) for number in range(5)]
        repeated = quota.charge(ALICE, b"request", 5)
        outcomes = await asyncio.gather(
            *calls, repeated, quota.refund(charge), quota.check(), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [QuotaUnavailable] * 8
        assert all(
            isinstance(outcome, IssuerError) and outcome.__cause__ is None and outcome.status == 503
            for outcome in outcomes
        )
        await world.give_back()
        await quota.check()
        assert not (await quota.charge(ALICE, b"request", 5)).fresh
