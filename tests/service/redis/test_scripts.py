"""Scripts: one round trip, replies in order, and a server that has forgotten them."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.exceptions import ResponseError
from support.redis_server import DURABLE
from support.redis_server import RedisServer as Process

from tacita.service.redis.scripts import Script, key_of, run
from tacita.service.redis.server import RedisServer

ADD = Script(b"return redis.call('INCRBY', KEYS[1], ARGV[1])")
FIRST = Script(b"return KEYS[1]")
FAIL = Script(b"return redis.error_reply('secret')")


@pytest.fixture
def process() -> Iterator[Process]:
    with Process(**DURABLE) as process:
        yield process


@pytest.fixture
async def server(process: Process) -> AsyncIterator[RedisServer]:
    server = await RedisServer.open(process.address, "records")
    yield server
    await server.close()


async def test_replies_are_in_order_whether_the_server_knows_the_scripts_or_not(
    process: Process, server: RedisServer
) -> None:
    calls = [FIRST.call([b"a"]), ADD.call([b"{n}"], [2]), ADD.call([b"{n}"], [3]), FIRST.call([b"b"])]
    async with server.borrowed() as link:
        assert await run(link, calls) == [b"a", 2, 5, b"b"]
        assert await run(link, calls) == [b"a", 7, 10, b"b"]
        assert await run(link, []) == []
        process.ask("SCRIPT", "FLUSH")
        await run(link, [FIRST.call([b"a"])])
        assert await run(link, calls) == [b"a", 12, 15, b"b"]


async def test_a_call_that_fails_is_told_in_its_place(server: RedisServer) -> None:
    calls = [ADD.call([b"n"], [1]), FAIL.call([b"n"]), ADD.call([b"n"], [1])]
    async with server.borrowed() as link:
        one, failure, two = await run(link, calls)
        assert (one, two) == (1, 2)
        assert isinstance(failure, ResponseError)
        assert await run(link, [ADD.call([b"n"], [0])]) == [2]


async def test_the_first_key_of_a_call_tells_its_place() -> None:
    assert key_of(ADD.call([b"a", b"b"], [1])) == b"a"
