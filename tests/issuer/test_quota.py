import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from issuer.attesters import Account
from issuer.errors import ClockSetBack, OverQuota, QuotaUnavailable
from issuer.quota import Quota, load_hash_key
from tacita.errors import ConfigError

KEY = bytes(range(32))
ALICE = Account("alice", 20)
DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = 1_764_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quota.sqlite"


@pytest.fixture
async def quota(path: Path, clock: Clock) -> AsyncIterator[Quota]:
    async with Quota(path, KEY, DAY, clock=clock) as quota:
        yield quota


def total(path: Path) -> int:
    db = sqlite3.connect(path)
    try:
        (tokens,) = db.execute("SELECT coalesce(sum(tokens), 0) FROM charged").fetchone()
    finally:
        db.close()
    return int(tokens)


async def test_fifty_at_once_on_a_quota_of_twenty_grant_exactly_twenty(quota: Quota, path: Path) -> None:
    outcomes = await asyncio.gather(
        *(quota.charge(ALICE, b"request %d" % number, 1) for number in range(50)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, OverQuota)]
    assert len(refused) == 30
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 20
    assert total(path) == 20


async def test_it_is_on_disk_when_charge_returns(quota: Quota, path: Path) -> None:
    await quota.charge(ALICE, b"request", 7)
    assert total(path) == 7


async def test_the_same_request_at_once_pays_once(quota: Quota, path: Path) -> None:
    charges = await asyncio.gather(*(quota.charge(ALICE, b"request", 20) for _ in range(5)))
    assert [charge.fresh for charge in charges].count(True) == 1
    assert total(path) == 20


async def test_the_same_request_pays_again_in_the_next_period(quota: Quota, clock: Clock) -> None:
    assert (await quota.charge(ALICE, b"request", 20)).fresh
    clock.now += DAY
    assert (await quota.charge(ALICE, b"request", 20)).fresh


async def test_a_repeated_charge_is_never_refunded(quota: Quota, path: Path) -> None:
    await quota.charge(ALICE, b"request", 5)
    await quota.refund(await quota.charge(ALICE, b"request", 5))
    assert total(path) == 5


async def test_a_fresh_charge_is_refunded(quota: Quota, path: Path) -> None:
    await quota.refund(await quota.charge(ALICE, b"request", 5))
    assert total(path) == 0


async def test_a_cancelled_caller_still_refunds(quota: Quota, path: Path) -> None:
    charge = await quota.charge(ALICE, b"request", 5)
    refund = asyncio.create_task(quota.refund(charge))
    await asyncio.sleep(0)
    refund.cancel()
    await asyncio.gather(refund, return_exceptions=True)
    await quota.check()  # behind the refund in the queue
    assert total(path) == 0


async def test_a_cancelled_caller_does_not_disturb_the_others(quota: Quota, path: Path) -> None:
    callers = [asyncio.create_task(quota.charge(ALICE, b"request %d" % n, 1)) for n in range(6)]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, False] * 3
    # Whoever was cancelled may have been charged, and asks again for nothing.
    for number in range(6):
        await quota.charge(ALICE, b"request %d" % number, 1)
    assert total(path) == 6


async def test_over_quota_names_the_end_of_the_period(quota: Quota, clock: Clock) -> None:
    with pytest.raises(OverQuota) as refusal:
        await quota.charge(ALICE, b"request", 21)
    assert "2025-11-25T00:00:00Z" in str(refusal.value)
    end = 1_764_028_800
    assert refusal.value.fields["Retry-After"] == str(int(end - clock.now))
    assert refusal.value.fields["RateLimit"] == f'"tokens";r=20;t={int(end - clock.now)}'


async def test_a_clock_that_was_set_back_is_refused(quota: Quota, clock: Clock) -> None:
    await quota.charge(ALICE, b"request", 1)
    clock.now -= DAY
    with pytest.raises(ClockSetBack):
        await quota.charge(ALICE, b"other", 1)
    with pytest.raises(ClockSetBack):
        await quota.check()


async def test_records_go_when_their_period_is_over(quota: Quota, clock: Clock, path: Path) -> None:
    await quota.charge(ALICE, b"request", 1)
    await quota.forget_past()
    assert total(path) == 1
    clock.now += DAY
    await quota.forget_past()
    assert total(path) == 0


async def test_no_account_or_request_stands_in_the_database(quota: Quota, path: Path) -> None:
    await quota.charge(Account("an-account-id-that-shows", 9), b"a-body-that-shows", 1)
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"that-shows" not in content


async def test_a_database_that_is_locked_refuses_and_recovers(path: Path, clock: Clock) -> None:
    async with Quota(path, KEY, DAY, clock=clock) as quota:
        quota._ledger._db.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(QuotaUnavailable):
            await quota.charge(ALICE, b"request", 1)
        other.execute("ROLLBACK")
        other.close()
        assert (await quota.charge(ALICE, b"request", 1)).fresh


async def test_it_carries_on_after_a_restart(path: Path, clock: Clock) -> None:
    async with Quota(path, KEY, DAY, clock=clock) as quota:
        await quota.charge(ALICE, b"request", 20)
    async with Quota(path, KEY, DAY, clock=clock) as quota:
        assert not (await quota.charge(ALICE, b"request", 20)).fresh
        with pytest.raises(OverQuota):
            await quota.charge(ALICE, b"other", 1)


def test_the_hash_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "quota.key"
    key = load_hash_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_hash_key(path) == key


def test_a_hash_key_of_another_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quota.key"
    path.touch(mode=0o600)
    with pytest.raises(ConfigError, match="32 bytes"):
        load_hash_key(path)


def test_a_hash_key_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made"):
        load_hash_key(tmp_path / "missing" / "quota.key")
