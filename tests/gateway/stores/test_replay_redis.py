"""The replay cache in Redis: the contract on a real server, and how what has expired goes."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from contracts.replay_store import ALIVE, NOW, ROOM, ReplayStoreContract, message, opened, relay, remembered
from support.redis_server import DURABLE, RedisServer

from gateway.replay import ReplayStore
from gateway.stores import open_replay_store
from gateway.stores.replay_redis_script import SHARDS
from tacita.errors import ConfigError


class ServerWorld:
    extra = SHARDS - 1

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    async def open(self) -> ReplayStore:
        return await open_replay_store(self.server.address)

    async def take_away(self) -> None:
        self.server.kill()

    async def give_back(self) -> None:
        self.server.start()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


@pytest.fixture
def world(server: RedisServer) -> ServerWorld:
    return ServerWorld(server)


class TestContract(ReplayStoreContract):
    pass


async def test_messages_and_counts_end_by_themselves(world: ServerWorld) -> None:
    mine = relay()
    async with opened(world) as store:
        for end in (ALIVE, ALIVE + 61):
            await store.remember(b"\0" + message()[1:], relay=mine, expires=end, room=ROOM)
    names = sorted(world.server.ask("KEYS", "*"))
    assert len(names) == 3
    ends = [world.server.ask("EXPIRETIME", name) for name in names]
    assert sorted(ends[:2]) == [ALIVE, ALIVE + 61]
    assert ALIVE + 61 <= ends[2] <= ALIVE + 121, "the count lives as long as the latest"
    assert all(name.startswith((b"replay:{0}:", b"replays:{0}:")) for name in names)


async def test_what_has_expired_makes_room(world: ServerWorld) -> None:
    mine, shard = relay(), b"\3"
    async with opened(world) as store:
        # A count that ended, and that Redis still has, as another minute of the hash lives on.
        count = b"replays:{3}:" + mine
        world.server.ask("HSET", count, str(NOW - NOW % 60), "1")  # type: ignore[arg-type]
        assert await remembered(store, shard + message()[1:], mine, room=1) == "new"
        assert await remembered(store, shard + message()[1:], mine, room=1) == "ReplayRoomFull"
        fields = world.server.ask("HKEYS", count)  # type: ignore[arg-type]
    assert [int(field) for field in fields] == [-(-ALIVE // 60) * 60]


async def test_a_message_is_forgotten_at_its_end(world: ServerWorld) -> None:
    one = message()
    async with opened(world) as store:
        end = int(time.time()) + 2
        assert await remembered(store, one, expires=end) == "new"
        assert await remembered(store, one) == "RequestReplayed"
        name = b"replay:{%x}:%b" % (one[0] % SHARDS, one)
        while world.server.ask("EXISTS", name):  # type: ignore[arg-type]  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert time.time() >= end


async def test_a_server_that_forgets_is_refused() -> None:
    with RedisServer() as server, pytest.raises(ConfigError, match="forgets messages when it crashes"):
        await open_replay_store(server.address)
