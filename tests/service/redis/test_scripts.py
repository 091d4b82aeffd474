"""Scripts: one round trip, replies in order, and a server that has forgotten them."""

from collections.abc import AsyncIterator, Iterator

import pytest
from support.redis_server import DURABLE
from support.redis_server import RedisServer as Process

from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.scripts import Script, run
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


async def test_a_call_that_fails_is_an_error_of_the_tree(server: RedisServer) -> None:
    with pytest.raises(RedisUnavailable) as failure:
        async with server.borrowed() as link:
            await run(link, [ADD.call([b"n"], [1]), FAIL.call([b"n"]), ADD.call([b"n"], [1])])
    assert "secret" not in str(failure.value)
    async with server.borrowed() as link:
        # The others may have been made, or not.
        assert await run(link, [ADD.call([b"n"], [0])]) in ([1], [2])
