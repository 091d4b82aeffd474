"""One checked connection, on a real server; the roles' stores test how it fails under load."""

import asyncio
from collections.abc import Iterator

import pytest
from support.redis_server import DURABLE
from support.redis_server import RedisServer as Process

from tacita.errors import ConfigError
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.scripts import packed
from tacita.service.redis.server import RedisServer, ask


@pytest.fixture
def process() -> Iterator[Process]:
    with Process(**DURABLE) as process:
        yield process


async def test_one_user_at_a_time(process: Process) -> None:
    server = await RedisServer.open(process.address, "records")
    order = []

    async def use(name: str) -> None:
        async with server.borrowed() as link:
            order.append(name)
            assert await ask(link, [b"ECHO", name.encode()]) == name.encode()
            await asyncio.sleep(0)
            order.append(name)

    await asyncio.gather(*(use(name) for name in "abc"))
    assert order == list("aabbcc")
    await server.close()


async def test_a_reply_that_nobody_waited_for_is_never_read(process: Process) -> None:
    server = await RedisServer.open(process.address, "records")

    async def leave() -> None:
        async with server.borrowed() as link:
            await link.send_packed_command([packed([b"ECHO", b"old"])])
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await leave()
    async with server.borrowed() as link:
        assert await ask(link, [b"ECHO", b"new"]) == b"new"
    await server.close()


async def test_a_command_that_fails_drops_the_connection_and_no_more(process: Process) -> None:
    server = await RedisServer.open(process.address, "records")
    with pytest.raises(RedisUnavailable) as failure:
        async with server.borrowed() as link:
            await ask(link, [b"NO-SUCH-COMMAND", b"secret"])
    assert "secret" not in str(failure.value)
    assert failure.value.__cause__ is None
    await server.check()
    await server.close()


async def test_a_server_that_may_not_keep_records_is_a_mistake_first_and_an_outage_later(
    process: Process,
) -> None:
    server = await RedisServer.open(process.address, "records")
    process.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigError, match="noeviction"):
        await RedisServer.open(process.address, "records")
    with pytest.raises(RedisUnavailable, match="noeviction"):
        await server.check()
    await server.close()


async def test_a_closed_connection_refuses(process: Process) -> None:
    server = await RedisServer.open(process.address, "records")
    await server.close()
    await server.close()
    with pytest.raises(RedisUnavailable, match="closed"):
        await server.check()
