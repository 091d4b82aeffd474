"""The replay cache in a Redis Cluster: the contract, and one node that is away."""

import asyncio
from collections.abc import Iterator

import pytest
from contracts.replay_store import ReplayStoreContract, message, opened, remembered
from support.redis_cluster import RedisCluster

from gateway.replay import ReplayStore
from gateway.stores import open_replay_store
from gateway.stores.replay_redis_script import SHARDS


class ClusterWorld:
    extra = SHARDS - 1

    def __init__(self, cluster: RedisCluster) -> None:
        self.cluster = cluster

    async def open(self) -> ReplayStore:
        return await open_replay_store(self.cluster.address)

    async def take_away(self) -> None:
        for node in self.cluster.nodes:
            node.kill()

    async def give_back(self) -> None:
        self.cluster.start()


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def world(cluster: RedisCluster) -> Iterator[ClusterWorld]:
    yield ClusterWorld(cluster)
    cluster.start()
    cluster.flush()


class TestContract(ReplayStoreContract):
    pass


async def test_a_node_that_is_away_takes_its_own_messages_only(world: ClusterWorld) -> None:
    async with opened(world) as store:
        before = [message() for _ in range(100)]
        assert await asyncio.gather(*(remembered(store, one) for one in before)) == ["new"] * 100
        world.cluster.nodes[1].kill()
        said = await asyncio.gather(*(remembered(store, one) for one in before))
        assert set(said) == {"RequestReplayed", "StoreUnavailable"}
        said = await asyncio.gather(*(remembered(store, message()) for _ in range(100)))
        assert set(said) == {"new", "StoreUnavailable"}
        world.cluster.start()
        said = await asyncio.gather(*(remembered(store, one) for one in before))
        assert said == ["RequestReplayed"] * 100
