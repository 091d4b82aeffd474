"""The quota in a SQLite file: the contract, and what only a file does."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from contracts.quota import DAY, KEY, NOON, PERIOD, QuotaContract
from support.clocks import Clock

from issuer.attesters import Account
from issuer.quota import Quota
from issuer.quota.sqlite import SqliteQuota

ALICE = Account("alice", 20)


class FileWorld:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "quota.sqlite"
        self.clock = Clock(NOON)
        self._other: sqlite3.Connection | None = None

    async def open(self) -> Quota:
        quota = SqliteQuota(self.path, KEY, PERIOD, clock=self.clock)
        # Not the five seconds of production, which a test would wait for.
        quota._ledger._db.execute("PRAGMA busy_timeout = 500")
        return quota

    async def charged(self) -> list[int]:
        return self.rows("SELECT tokens FROM charged")

    async def content(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.path.parent.iterdir())

    async def take_away(self) -> None:
        self._other = sqlite3.connect(self.path, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    async def give_back(self) -> None:
        assert self._other is not None
        self._other.execute("ROLLBACK")
        self._other.close()

    def rows(self, query: str) -> list[int]:
        with closing(sqlite3.connect(self.path)) as db:
            return [value for (value,) in db.execute(query)]


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return FileWorld(tmp_path)


class TestContract(QuotaContract):
    pass


async def test_a_period_that_ends_while_a_charge_waits_is_no_clock_set_back(world: FileWorld) -> None:
    end = NOON - NOON % PERIOD + PERIOD
    other = await world.open()
    moments = iter([end - 0.001, end + 0.001])
    async with SqliteQuota(world.path, KEY, PERIOD, clock=lambda: next(moments)) as quota:
        async with other:
            world.clock.now = end
            await other.charge(ALICE, b"one", 1)
        charge = await quota.charge(ALICE, b"two", 2)
    assert charge.claim.period.start == end
    assert await world.charged() == [3]


async def test_records_go_when_their_period_is_over(world: FileWorld) -> None:
    async with await world.open() as quota:
        await quota.charge(ALICE, b"request", 1)
        await quota.forget_past()
        assert await world.charged() == [1]
        world.clock.now += PERIOD
        await quota.forget_past()
        assert await world.charged() == []
        assert world.rows("SELECT count(*) FROM answered") == [0]


async def test_what_is_not_counted_by_period_goes_after_its_end(world: FileWorld) -> None:
    async with await world.open() as quota:
        await quota.charge(Account("invited", 20, until=int(NOON + 2 * PERIOD)), b"request", 1)
        for tokens in ([1], [1], [1], []):
            await quota.forget_past()
            assert await world.charged() == tokens
            world.clock.now += PERIOD


async def test_a_period_of_another_length_forgets_nothing_of_the_present(world: FileWorld) -> None:
    async with await world.open() as quota:
        await quota.charge(ALICE, b"request", 1)
    async with SqliteQuota(world.path, KEY, DAY, clock=world.clock) as quota:
        assert (await quota.charge(ALICE, b"request", 20)).fresh
