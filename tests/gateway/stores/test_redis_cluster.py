"""The Redis store on a real cluster: the contract, and what only a cluster can do to it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from contracts.spent_store import ALIVE, SpentStoreContract, is_spent, key, nonce, opened
from redis.crc import key_slot
from support.ports import free_port
from support.redis_cluster import RedisCluster, serve_alone
from support.redis_server import DURABLE, RedisServer

from gateway.stores import RedisStore, open_store
from gateway.stores.calls import Call, Verb
from gateway.stores.redis_script import shard_of
from tacita.errors import ConfigError
from tacita.privacypass.spent import SpentStore, StoreUnavailable


class ClusterWorld:
    def __init__(self, cluster: RedisCluster) -> None:
        self.cluster = cluster
        self.location = cluster.address

    async def open(self) -> SpentStore:
        return await open_store(self.location)

    async def take_away(self) -> None:
        for node in self.cluster.nodes:
            node.kill()

    async def give_back(self) -> None:
        await asyncio.to_thread(self.cluster.start)


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: RedisCluster) -> Iterator[RedisCluster]:
    yield shared_cluster
    shared_cluster.start()
    shared_cluster.flush()


@pytest.fixture
def world(cluster: RedisCluster) -> ClusterWorld:
    return ClusterWorld(cluster)


class TestContract(SpentStoreContract):
    pass


def slot_of(issuer: bytes, token: bytes) -> int:
    return key_slot(shard_of(Call(Verb.RESERVE, issuer, token, ALIVE, 0)))


def token_on(cluster: RedisCluster, number: int, issuer: bytes) -> bytes:
    """Return a token of `issuer` whose slot is on the node `number`."""
    owners = cluster.owners()
    while True:
        token = nonce()
        if owners[slot_of(issuer, token)] == number:
            return token


@asynccontextmanager
async def opened_at(address: str, timeout: float = 2) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(address, timeout=timeout)
    try:
        yield store
    finally:
        await store.close()


async def test_the_tokens_of_one_issuer_key_spread_over_the_masters(
    cluster: RedisCluster, world: ClusterWorld
) -> None:
    issuer = key()
    async with opened(world) as store:
        await asyncio.gather(*(store.reserve(issuer, nonce(), expires=ALIVE) for _ in range(1500)))
    shards = cluster.ask("DBSIZE")
    assert 250 <= sum(shards) <= 256
    # A third each: 85, give or take four deviations.
    assert min(shards) >= 55


async def test_kill_9_of_one_master_under_load(cluster: RedisCluster, world: ClusterWorld) -> None:
    issuer, dead = key(), 1
    accepted, doubtful = set[bytes](), set[bytes]()
    before = set[bytes]()

    async def spend(store: SpentStore) -> None:
        while len(accepted) < 3000 or not doubtful:
            token = nonce()
            try:
                await store.reserve(issuer, token, expires=ALIVE)
            except StoreUnavailable:
                doubtful.add(token)
                continue
            accepted.add(token)
            if len(accepted) == 1000:
                before.update(accepted)
                cluster.nodes[dead].kill()

    async with opened(world) as store:
        serving = cluster.owners()
        owners = [serving[slot_of(issuer, bytes([shard]) + bytes(31))] for shard in range(256)]
        await asyncio.gather(*(spend(store) for _ in range(32)))
        # Its tokens failed, and no others; those of the others were taken all the time.
        assert {owners[token[0]] for token in doubtful} == {dead}
        after = Counter(owners[token[0]] for token in accepted - before)
        assert after[0] > 100
        assert after[2] > 100
        assert after[dead] <= 32
        await store.check()
        with pytest.raises(StoreUnavailable):
            await store.drop_expired(ALIVE - 1)
        await world.give_back()
        # None that was accepted is accepted again, and none that was not is lost: it can be spent, once.
        assert all(await asyncio.gather(*(is_spent(store, issuer, token) for token in accepted)))
        again = await asyncio.gather(*(is_spent(store, issuer, token) for token in doubtful))
        print(f"{len(accepted)} accepted, {len(doubtful)} refused, {again.count(True)} of those burnt")
        assert again.count(True) <= 32  # what was under way at the kill
        assert all(await asyncio.gather(*(is_spent(store, issuer, token) for token in doubtful)))


async def test_a_master_that_hangs_keeps_nobody_else_waiting(cluster: RedisCluster) -> None:
    issuer = key()
    tokens = [token_on(cluster, number, issuer) for number in range(3)]
    async with opened_at(cluster.address, timeout=60) as store:
        cluster.nodes[0].pause()
        waits = asyncio.create_task(store.reserve(issuer, tokens[0], expires=ALIVE))
        for expected in (False, True):
            assert [await is_spent(store, issuer, token) for token in tokens[1:]] == [expected] * 2
        assert not waits.done()
        cluster.nodes[0].resume()
        await waits
        assert await is_spent(store, issuer, tokens[0])


async def test_a_master_that_hangs_is_unavailable_in_time(cluster: RedisCluster) -> None:
    issuer = key()
    tokens = [token_on(cluster, number, issuer) for number in range(3)]
    async with opened_at(cluster.address, timeout=0.3) as store:
        cluster.nodes[0].pause()
        answers = await asyncio.gather(
            *(store.reserve(issuer, token, expires=ALIVE) for token in tokens), return_exceptions=True
        )
        assert [isinstance(answer, StoreUnavailable) for answer in answers] == [True, False, False]
        cluster.nodes[0].resume()
        # A late reply is not taken for the answer to the next call.
        fresh = token_on(cluster, 0, issuer)
        assert not await is_spent(store, issuer, fresh)
        assert await is_spent(store, issuer, fresh)


async def test_slots_that_move_while_tokens_are_spent(cluster: RedisCluster, world: ClusterWorld) -> None:
    issuer = key()
    shards = [token_on(cluster, 0, issuer)[:1] for _ in range(4)]
    stop = asyncio.Event()
    outcomes: Counter[str] = Counter()

    async def spend(store: SpentStore, shard: bytes) -> None:
        while not stop.is_set():
            token = shard + nonce()[1:]
            # Twice at once, then released, and again: every verb, on entries here and there.
            answers = await asyncio.gather(
                *(store.reserve(issuer, token, expires=ALIVE) for _ in range(2)), return_exceptions=True
            )
            outcomes.update(type(answer).__name__ for answer in answers)
            assert await is_spent(store, issuer, token)

    async with opened(world) as store, opened(world) as other:
        tasks = [asyncio.create_task(spend(each, shard)) for shard in shards for each in (store, other)]
        slots = {slot_of(issuer, shard + bytes(31)) for shard in shards}
        for source, target in ((0, 1), (1, 2), (2, 0)):
            for slot in slots:
                await asyncio.to_thread(cluster.move, slot, source, target)
        stop.set()
        await asyncio.gather(*tasks)
    assert set(outcomes) == {"Reservation", "TokenSpent"}
    assert outcomes["Reservation"] == outcomes["TokenSpent"] > 50


async def test_while_a_slot_moves_new_shards_are_asked_for_at_their_new_place(
    cluster: RedisCluster, world: ClusterWorld
) -> None:
    issuer = key()
    old = token_on(cluster, 0, issuer)
    slot = slot_of(issuer, old)
    async with opened(world) as store:
        held = await store.reserve(issuer, old, expires=ALIVE)
        cluster.begin_move(slot, 0, 1)
        assert await is_spent(store, issuer, old)  # still here
        assert cluster.move_keys(slot, 0, 1) == 1
        assert await is_spent(store, issuer, old)  # ASK
        cluster.ask("SCRIPT", "FLUSH")
        assert await store.release(held)  # ASK, of a node that has forgotten the script
        assert not await is_spent(store, issuer, old)
        cluster.end_move(slot, 0, 1)
        assert await is_spent(store, issuer, old)  # MOVED
        assert await is_spent(store, issuer, old)
        assert cluster.owners()[slot] == 1
    cluster.move(slot, 1, 0)


async def test_a_strange_value_in_one_shard_spoils_no_other(
    cluster: RedisCluster, world: ClusterWorld
) -> None:
    issuer = key()
    strange, good = token_on(cluster, 2, issuer), token_on(cluster, 2, issuer)
    while good[0] == strange[0]:
        good = token_on(cluster, 2, issuer)
    cluster.nodes[2].ask("SET", shard_of(Call(Verb.RESERVE, issuer, strange, ALIVE, 0)).decode(), "x")
    async with opened(world) as store:
        answers = await asyncio.gather(
            *(store.reserve(issuer, token, expires=ALIVE) for token in (strange, good)),
            return_exceptions=True,
        )
        assert [type(answer).__name__ for answer in answers] == ["StoreUnavailable", "Reservation"]


async def test_a_gateway_starts_while_a_master_is_away(cluster: RedisCluster, world: ClusterWorld) -> None:
    issuer = key()
    tokens = [token_on(cluster, number, issuer) for number in range(3)]
    cluster.nodes[0].kill()  # the first that the address names
    async with opened(world) as store:
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.reserve(issuer, tokens[0], expires=ALIVE)
        assert not await is_spent(store, issuer, tokens[1])
        await world.give_back()
        assert [await is_spent(store, issuer, token) for token in tokens] == [False, True, False]


async def test_settings_that_were_changed_keep_one_node_out(
    cluster: RedisCluster, world: ClusterWorld
) -> None:
    issuer = key()
    async with opened(world) as store:
        cluster.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try:
            await store.check()
            with pytest.raises(StoreUnavailable, match="noeviction"):
                await store.reserve(issuer, token_on(cluster, 1, issuer), expires=ALIVE)
            await store.reserve(issuer, token_on(cluster, 2, issuer), expires=ALIVE)
            with pytest.raises(ConfigError, match="noeviction"):
                await world.open()
        finally:
            cluster.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert not await is_spent(store, issuer, token_on(cluster, 1, issuer))


async def test_a_server_can_become_a_cluster() -> None:
    port = free_port()
    with RedisServer(port=str(port), **DURABLE) as server:
        issuer, tokens = key(), [nonce() for _ in range(300)]
        async with opened_at(f"redis://127.0.0.1:{port}") as store:
            await asyncio.gather(*(store.reserve(issuer, token, expires=ALIVE) for token in tokens))
        server.kill()
        server.options |= {"cluster-enabled": "yes", "cluster-port": str(free_port())}
        server.start()
        await asyncio.to_thread(serve_alone, server)
        async with opened_at(f"redis+cluster://127.0.0.1:{port}") as store:
            assert all(await asyncio.gather(*(is_spent(store, issuer, token) for token in tokens)))
            assert not await is_spent(store, issuer, nonce())
