"""What a Redis server answers: its settings, the slots of a cluster, and replies to scripts of ours.

Replies are written as JSON here, whose strings stand for bytes; the protocol below is redis-py's to read.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Hashable, Iterator, Sequence
from typing import Any

from redis.exceptions import RedisError
from support.fuzzing import pick, total

from gateway.stores.redis import RedisStore
from gateway.stores.replay_redis import RedisReplayStore
from issuer.attesters import Account
from issuer.quota.claims import Claims
from issuer.quota.redis import RedisQuota
from tacita.errors import TacitaError
from tacita.service.redis.address import Endpoint
from tacita.service.redis.checks import inspect
from tacita.service.redis.scripts import ScriptCall
from tacita.service.redis.server import told
from tacita.service.redis.topology import Topology


def _reply(data: bytes) -> object:
    """Return the reply that `data` spells; nil where it is no JSON."""
    try:
        return _of_bytes(json.loads(data))
    except (ValueError, RecursionError):
        return None


def _of_bytes(value: Any) -> object:
    match value:
        case str():
            # A reply may be an error of the server's.
            raw = value.encode("utf-8", "surrogatepass")
            return RedisError(value) if raw.startswith(b"-") else raw
        case list():
            return [_of_bytes(one) for one in value]
        case int() | None:
            return value
        case _:
            return repr(value).encode()


class _Server:
    """A `Redis` that replies what it was told to."""

    def __init__(self, replies: object) -> None:
        self._replies = replies if isinstance(replies, list) else []

    def group_of(self, key: bytes) -> bytes:
        return key

    def lane_of(self, key: bytes) -> Hashable:
        return None

    async def run(self, calls: Sequence[ScriptCall]) -> list[object]:
        replies = (self._replies + [None] * len(calls))[: len(calls)]
        return told(replies, "records")

    async def names(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        yield [reply for reply in self._replies if isinstance(reply, bytes)]

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass


def _settings(data: bytes) -> None:
    for cluster in (False, True):
        total(lambda info, cluster=cluster: inspect(info, "r", accept_replicas=False, cluster=cluster), data)  # type: ignore[misc]


def _slots(data: bytes) -> None:
    try:
        topology = Topology(_reply(data), Endpoint("asked.example", 6379))
    except (RedisError, TacitaError):
        return
    owners = {topology.owner(slot) for slot in range(0, 16_384, 100)} - {None}
    assert owners <= set(topology.masters)


def _quota(data: bytes) -> None:
    async def ask() -> None:
        async with RedisQuota(_Server(_reply(data)), Claims(bytes(32), 86_400, lambda: 1e9)) as quota:
            for call in (lambda: quota.charge(Account("a", 10), b"request", 3), quota.check):
                with contextlib.suppress(TacitaError):
                    await call()

    _run(ask())


def _spent(data: bytes) -> None:
    async def ask() -> None:
        store = RedisStore(_Server(_reply(data)))
        for _ in range(2):
            with contextlib.suppress(TacitaError):
                held = await store.reserve(bytes(32), bytes(32), expires=2_000_000_000)
                assert held.releases in {0, 1, 2}
                await store.release(held)
        await store.close()

    _run(ask())


def _run(work: Any) -> None:
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(work)


def _replayed(data: bytes) -> None:
    reply = _reply(data)

    async def ask() -> None:
        store = RedisReplayStore(_Server(reply))
        try:
            await store.remember(bytes(32), relay=bytes(32), expires=2_000_000_000, room=10)
        except TacitaError:
            pass
        else:
            assert isinstance(reply, list)
            assert reply[0] == b"n"
        await store.close()

    _run(ask())


_CHOICES = (_settings, _slots, _quota, _spent, _replayed)


def one(data: bytes) -> None:
    """Whatever a server replies, a store says something or an error of the tree, and grants nothing by it."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    info = "redis_version:7.0.15\r\ncluster_enabled:0\r\nrole:master\r\naof_enabled:1\r\n"
    yield b"\0" + info.encode() + b"maxmemory_policy:noeviction\r\nconnected_slaves:0\r\nloading:0\r\n"
    yield b'\1[[0,8191,["127.0.0.1",7000,"id",[]]],[8192,16383,["?",7001,"id",["ip","::1"]]]]'
    yield b'\2["kept","fresh"]'
    yield b'\2["kept","3 4 5 6"]'
    yield b'\2["clock","-ERR"]'
    yield b'\3["0"]'
    yield b'\3["s"]'
    yield b'\3["-NOAUTH"]'
    yield b'\4["n"]'
    yield b'\4["s"]'
