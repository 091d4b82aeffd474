"""The quota in Redis: the contract on a real server, and what only a server can do to it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.quota import DAY, KEY, NOON, PERIOD, QuotaContract, accepted
from support.clocks import Clock
from support.issuers import ask_batch, issuing_keys
from support.ports import free_port
from support.redis_server import DURABLE, RedisServer

from issuer.attesters import Account
from issuer.errors import ClockSetBack, QuotaUnavailable
from issuer.issuance import Issuance
from issuer.keys import fixed
from issuer.quota import Quota
from issuer.quota.claims import Claims
from issuer.quota.redis import RedisQuota
from issuer.quota.redis_script import MARKS, name_of
from tacita.errors import ConfigError
from tacita.service.redis.errors import RedisUnavailable

ALICE = Account("alice", 20)


class ServerWorld:
    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.clock = Clock(NOON)

    async def open(self) -> RedisQuota:
        return await RedisQuota.open(self.server.address, KEY, PERIOD, clock=self.clock)

    async def charged(self) -> list[int]:
        return [int(self.server.ask("HGET", name, "tokens")) for name in self.records()]

    async def content(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.server.folder.rglob("*") if file.is_file())

    async def take_away(self) -> None:
        self.server.kill()

    async def give_back(self) -> None:
        self.server.start()

    def records(self) -> list[str]:
        names = [name.decode() for name in self.server.ask("KEYS", "*")]
        return [name for name in names if not name.endswith(":about")]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


@pytest.fixture
def world(server: RedisServer) -> ServerWorld:
    return ServerWorld(server)


class TestContract(QuotaContract):
    pass


async def test_a_record_is_dropped_by_the_server_after_its_period(world: ServerWorld) -> None:
    async with await world.open() as quota:
        await quota.charge(ALICE, b"request", 1)
        await quota.charge(ALICE, b"another", 1)
    (name,) = world.records()
    end = int(NOON - 2.5 * DAY) + PERIOD
    assert end < world.server.ask("EXPIRETIME", name) <= end + 60


async def test_what_the_server_would_drop_at_once_is_not_counted_in(world: ServerWorld) -> None:
    world.clock.now = time.time() - 2 * PERIOD
    async with await world.open() as quota:
        with pytest.raises(ClockSetBack):
            await quota.charge(ALICE, b"request", 1)
    assert world.records() == []


async def test_clocks_that_differ_by_little_count_in_their_periods(world: ServerWorld) -> None:
    behind = Clock(NOON + 7.5 * DAY - 0.5)
    world.clock.now = NOON + 7.5 * DAY + 0.5
    async with (
        await world.open() as quota,
        await RedisQuota.open(world.server.address, KEY, PERIOD, clock=behind) as other,
    ):
        assert await accepted(quota, ALICE, 20)
        assert await accepted(other, ALICE, 20)  # in the period that has just ended
        assert not await accepted(other, ALICE, 1)
        behind.now += 1
        assert not await accepted(other, ALICE, 1)


async def test_a_clock_behind_is_refused_at_the_start(world: ServerWorld) -> None:
    async with await world.open():
        pass
    world.clock.now -= 60
    with pytest.raises(ClockSetBack):
        await world.open()


async def test_a_server_whose_clock_was_set_back_is_refused(world: ServerWorld) -> None:
    async with await world.open() as quota:
        await quota.check()
        for mark in MARKS:
            world.server.ask("HSET", mark.decode(), "server", str(int((time.time() + 3600) * 1000)))
        with pytest.raises(ClockSetBack):
            await quota.charge(ALICE, b"request", 1)
        with pytest.raises(ClockSetBack):
            await quota.check()


async def test_a_server_that_lost_its_data_is_refused(world: ServerWorld) -> None:
    async with await world.open() as quota:
        assert await accepted(quota, ALICE, 20)
        world.server.ask("FLUSHALL")
        for _ in range(2):
            with pytest.raises(QuotaUnavailable):
                await quota.charge(ALICE, b"request", 1)
            with pytest.raises(QuotaUnavailable):
                await quota.check()


async def test_another_hash_key_is_refused(world: ServerWorld) -> None:
    async with await world.open():
        with pytest.raises(ConfigError, match="another hash key"):
            await RedisQuota.open(world.server.address, bytes(32), PERIOD, clock=world.clock)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "appendonly yes"),
        ({"appendonly": "yes", "maxmemory-policy": "allkeys-lru"}, "noeviction"),
        ({"appendonly": "yes", "replicaof": "127.0.0.1 1"}, "replica"),
    ],
)
async def test_a_server_that_could_forget_is_refused(options: dict[str, str], sentence: str) -> None:
    with RedisServer(**options) as server, pytest.raises(ConfigError, match=sentence) as refusal:
        await RedisQuota.open(server.address, KEY, PERIOD)
    assert server.address not in str(refusal.value)
    assert "quotas" in str(refusal.value)


async def test_replicas_are_a_risk_to_accept() -> None:
    port = free_port()
    with (
        RedisServer(port=str(port), **DURABLE) as primary,
        RedisServer(replicaof=f"127.0.0.1 {port}"),
    ):
        primary.wait_for("replication", "connected_slaves", 1)
        with pytest.raises(ConfigError, match="accept_replicas"):
            await RedisQuota.open(primary.address, KEY, PERIOD)
        async with await RedisQuota.open(primary.address, KEY, PERIOD, accept_replicas=True) as quota:
            assert await accepted(quota, ALICE, 20)


async def test_settings_that_were_changed_make_it_unready(world: ServerWorld) -> None:
    async with await world.open() as quota:
        world.server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        with pytest.raises(QuotaUnavailable):
            await quota.check()
        with pytest.raises(QuotaUnavailable):
            await quota.charge(ALICE, b"request", 1)


async def test_a_server_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        await RedisQuota.open(f"unix://{tmp_path / 'redis.sock'}", KEY, PERIOD)


async def test_a_server_that_hangs_is_unavailable_in_time(world: ServerWorld) -> None:
    quota = await RedisQuota.open(world.server.address, KEY, PERIOD, clock=world.clock, timeout=0.3)
    async with quota:
        world.server.pause()
        with pytest.raises(QuotaUnavailable):
            await quota.charge(ALICE, b"request", 5)
        world.server.resume()
        # It may have been charged meanwhile: then this is the answer to that.
        await quota.charge(ALICE, b"request", 5)
        assert await world.charged() == [5]


async def test_a_server_without_memory_is_unavailable(world: ServerWorld) -> None:
    async with await world.open() as quota:
        world.server.ask("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(QuotaUnavailable):
            await quota.charge(ALICE, b"request", 1)
        world.server.ask("CONFIG", "SET", "maxmemory", "0")
        assert await accepted(quota, ALICE, 20)


async def test_a_server_that_forgot_the_scripts_is_told_again(world: ServerWorld) -> None:
    async with await world.open() as quota:
        await quota.charge(ALICE, b"request", 1)
        world.server.ask("SCRIPT", "FLUSH")
        granted = await asyncio.gather(*(accepted(quota, ALICE, 1) for _ in range(30)))
        assert granted.count(True) == 19


async def test_a_strange_value_under_our_name_is_unavailable(world: ServerWorld) -> None:
    claim, _ = Claims(KEY, PERIOD, world.clock).claim(ALICE, b"request", 1)
    world.server.ask("SET", name_of(claim).decode(), "x")
    async with await world.open() as quota:
        with pytest.raises(QuotaUnavailable):
            await quota.charge(ALICE, b"request", 1)


async def test_nothing_is_signed_while_the_server_is_away(world: ServerWorld) -> None:
    signings: list[float] = []
    asked = ask_batch(5)
    async with (
        await world.open() as quota,
        Issuance(fixed(issuing_keys()), quota, max_batch=30, threads=1, signing=signings.append) as issuance,
    ):
        world.server.kill()
        for _ in range(2):
            with pytest.raises(QuotaUnavailable) as refusal:
                await issuance.issue(ALICE, asked.media_type, asked.body)
        assert refusal.value.status == 503
        assert signings == []
        world.server.start()
        grant = await issuance.issue(ALICE, asked.media_type, asked.body)
        assert len(asked.tokens(grant.responses.body)) == 5
        assert len(signings) == 1


async def test_a_refund_is_made_on_whatever_clock(world: ServerWorld) -> None:
    async with await world.open() as quota:
        charge = await quota.charge(ALICE, b"request", 5)
        world.clock.now -= PERIOD
        await quota.refund(charge)
        assert await world.charged() == [0]


async def test_kill_9_of_the_server_loses_no_charge_that_was_answered_for(world: ServerWorld) -> None:
    crowd = [Account(f"account-{number}", 10_000) for number in range(16)]
    acknowledged: list[tuple[Account, bytes]] = []

    async def ask(quota: Quota, account: Account) -> None:
        for number in range(10_000):
            try:
                await quota.charge(account, b"%d" % number, 1)
            except QuotaUnavailable:
                return
            acknowledged.append((account, b"%d" % number))
            if len(acknowledged) == 1000:
                world.server.kill()

    async with await world.open() as quota:
        await asyncio.gather(*(ask(quota, account) for account in crowd))
        world.server.start()
        assert len(acknowledged) >= 1000
        charges = await asyncio.gather(*(quota.charge(account, body, 1) for account, body in acknowledged))
        assert not any(charge.fresh for charge in charges)
        assert sum(await world.charged()) >= len(acknowledged)
