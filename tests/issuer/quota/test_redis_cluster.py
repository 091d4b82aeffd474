"""The quota on a real cluster: the contract, what its marks prove, and nodes and slots that go and come."""

import asyncio
from collections.abc import Iterator

import pytest
from contracts.quota import KEY, NOON, PERIOD, QuotaContract, accepted
from redis.crc import key_slot
from support.clocks import Clock
from support.redis_cluster import RedisCluster

from issuer.attesters import Account
from issuer.errors import ClockSetBack, QuotaUnavailable
from issuer.quota.claims import Claims
from issuer.quota.redis import RedisQuota
from issuer.quota.redis_script import MARKS, mark_of, name_of
from tacita.errors import ConfigError
from tacita.service.redis.errors import RedisUnavailable


class ClusterWorld:
    def __init__(self, cluster: RedisCluster) -> None:
        self.cluster = cluster
        self.clock = Clock(NOON)

    async def open(self) -> RedisQuota:
        return await RedisQuota.open(self.cluster.address, KEY, PERIOD, clock=self.clock)

    async def charged(self) -> list[int]:
        records = [
            (node, name.decode())
            for node in self.cluster.nodes
            for name in node.ask("KEYS", "*")
            if not name.endswith(b":about")
        ]
        return [int(node.ask("HGET", name, "tokens")) for node, name in records]

    async def content(self) -> bytes:
        return b"".join(
            file.read_bytes()
            for node in self.cluster.nodes
            for file in node.folder.rglob("*")
            if file.is_file()
        )

    async def take_away(self) -> None:
        for node in self.cluster.nodes:
            node.kill()

    async def give_back(self) -> None:
        await asyncio.to_thread(self.cluster.start)

    def account_on(self, number: int, at_least: int = 0) -> Account:
        """Return an account that is counted on the node `number`."""
        owners = self.cluster.owners()
        names = (f"account-{n}" for n in range(at_least, at_least + 1000))
        return next(Account(name, 20) for name in names if owners[self.slot_of(Account(name, 20))] == number)

    def slot_of(self, account: Account) -> int:
        return key_slot(mark_of(Claims(KEY, PERIOD, self.clock).claim(account, b"request", 1)[0]))


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def world(shared_cluster: RedisCluster) -> Iterator[ClusterWorld]:
    yield ClusterWorld(shared_cluster)
    shared_cluster.start()
    shared_cluster.flush()


class TestContract(QuotaContract):
    pass


def test_a_record_is_in_the_slot_of_its_mark() -> None:
    claims = Claims(KEY, PERIOD, Clock(NOON))
    marks = set()
    for number in range(300):
        claim, _ = claims.claim(Account(str(number), 20), b"request", 1)
        assert key_slot(name_of(claim)) == key_slot(mark_of(claim))
        marks.add(mark_of(claim))
    assert marks == set(MARKS)


def test_the_parts_spread_over_three_masters() -> None:
    shares = [key_slot(mark) * 3 // 16_384 for mark in MARKS]
    assert min(shares.count(third) for third in range(3)) >= 4


async def test_a_dead_master_keeps_its_own_accounts_only(world: ClusterWorld) -> None:
    here, there = world.account_on(0), world.account_on(1)
    async with await world.open() as quota:
        charge = await quota.charge(here, b"request", 5)
        world.cluster.nodes[0].kill()
        outcomes = await asyncio.gather(
            *(quota.charge(account, b"%d" % n, 1) for n in range(5) for account in (here, there)),
            return_exceptions=True,
        )
        assert [isinstance(outcome, QuotaUnavailable) for outcome in outcomes] == [True, False] * 5
        with pytest.raises(QuotaUnavailable):
            await quota.refund(charge)
        await quota.check()
        # One that starts now serves the rest, and this node when it is back.
        async with await world.open() as other:
            assert await accepted(other, there, 1)
            with pytest.raises(QuotaUnavailable):
                await other.charge(here, b"other", 1)
            await world.give_back()
            assert not (await other.charge(here, b"request", 5)).fresh
        assert not (await quota.charge(here, b"request", 5)).fresh
    assert sorted(await world.charged()) == [5, 6]


async def test_kill_9_of_one_master_loses_no_charge_that_was_answered_for(world: ClusterWorld) -> None:
    crowd = [Account(f"account-{number}", 10_000) for number in range(24)]
    acknowledged: list[tuple[Account, bytes]] = []
    refused = set[str]()

    async def ask(quota: RedisQuota, account: Account) -> None:
        for number in range(10_000):
            if len(acknowledged) > 2500:
                return
            try:
                await quota.charge(account, b"%d" % number, 1)
            except QuotaUnavailable:
                refused.add(account.id)
                return
            acknowledged.append((account, b"%d" % number))
            if len(acknowledged) == 1000:
                world.cluster.nodes[1].kill()

    serving = world.cluster.owners()
    doomed = {account.id for account in crowd if serving[world.slot_of(account)] == 1}
    async with await world.open() as quota:
        await asyncio.gather(*(ask(quota, account) for account in crowd))
        assert refused == doomed
        await world.give_back()
        charges = await asyncio.gather(*(quota.charge(account, body, 1) for account, body in acknowledged))
        assert not any(charge.fresh for charge in charges)
        # What was under way at the kill may have been charged: one request of each that was refused.
        assert len(acknowledged) <= sum(await world.charged()) <= len(acknowledged) + len(refused)


async def test_of_a_node_that_lost_its_data_the_accounts_are_refused(world: ClusterWorld) -> None:
    here, there = world.account_on(2), world.account_on(0)
    async with await world.open() as quota:
        assert await accepted(quota, here, 20)
        world.cluster.nodes[2].ask("FLUSHALL")
        for _ in range(2):
            with pytest.raises(QuotaUnavailable):
                await quota.charge(here, b"request", 1)
        assert await accepted(quota, there, 20)
        await quota.check()
    # Started anew, it takes the node as it is: that is the operator's word. What was refused is counted.
    async with await world.open() as quota:
        assert await accepted(quota, here, 19)


async def test_a_node_whose_clock_was_set_back_refuses_its_own(world: ClusterWorld) -> None:
    here, there = world.account_on(2), world.account_on(0)
    async with await world.open() as quota:
        assert await accepted(quota, here, 1)
        serving = world.cluster.owners()
        for mark in MARKS:
            if serving[key_slot(mark)] == 2:
                world.cluster.nodes[2].ask("HSET", mark.decode(), "server", str(10**15))
        with pytest.raises(ClockSetBack):
            await quota.charge(here, b"request", 1)
        assert await accepted(quota, there, 1)
        with pytest.raises(ClockSetBack):
            await world.open()


async def test_slots_that_move_make_no_alarm_and_no_second_grant(world: ClusterWorld) -> None:
    account = world.account_on(0)
    slot = world.slot_of(account)
    others = [Account(f"other-{number}", 20) for number in range(400)]
    beside = [other for other in others if world.slot_of(other) == slot][:6]
    stop = asyncio.Event()
    granted = 0

    async def ask(quota: RedisQuota) -> None:
        nonlocal granted
        while not stop.is_set():
            one_more = await accepted(quota, account, 1)
            granted += one_more

    async with await world.open() as quota, await world.open() as other:
        assert [await accepted(quota, each, 20) for each in beside[:3]] == [True] * 3
        tasks = [asyncio.create_task(ask(each)) for each in (quota, other)]
        world.cluster.begin_move(slot, 0, 1)
        # The mark and some of the records are there, the rest is here; who is new is counted there.
        while world.cluster.move_keys(slot, 0, 1, most=1):
            await asyncio.sleep(0.02)
            await quota.check()
            assert not await accepted(other, beside[0], 1)
        assert await accepted(quota, beside[3], 20)
        world.cluster.end_move(slot, 0, 1)
        assert [await accepted(each, beside[4], 20) for each in (quota, other)] == [True, False]
        stop.set()
        await asyncio.gather(*tasks)
        assert granted == 20
        assert [await accepted(each, one, 1) for each in (quota, other) for one in beside[:5]] == [False] * 10
        await other.check()
    world.cluster.move(slot, 1, 0)
    async with await world.open() as quota:
        assert not await accepted(quota, account, 1)


async def test_another_hash_key_is_refused(world: ClusterWorld) -> None:
    async with await world.open():
        with pytest.raises(ConfigError, match="another hash key"):
            await RedisQuota.open(world.cluster.address, bytes(32), PERIOD, clock=world.clock)


async def test_a_cluster_that_is_not_there_is_named_as_such(world: ClusterWorld) -> None:
    await world.take_away()
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        await world.open()
