"""The pool: which connection is taken, who waits for one, and when one is closed."""

import asyncio

import pytest
from support.raw_http import read_head, serving

from tacita.net import pool
from tacita.net.upstream import Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers every request, after `hold` where that is set; counts its connections."""

    def __init__(self) -> None:
        self.opened = 0
        self.open: list[asyncio.StreamWriter] = []
        self.asked: list[int] = []
        self.hold: asyncio.Event | None = None
        self.ended = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.opened
        self.opened += 1
        self.open.append(writer)
        try:
            while True:
                await read_head(reader)
                self.asked.append(number)
                if self.hold is not None:
                    await self.hold.wait()
                writer.write(OK)
        except asyncio.IncompleteReadError:
            self.ended.set()


async def get(client: Upstream) -> bytes:
    async with client.request("GET", "/", []) as answer:
        return await answer.read()


async def test_idle_connections_are_taken_in_random_order() -> None:
    server = Server()
    async with serving(server.handle) as port, Upstream(f"http://127.0.0.1:{port}") as client:
        server.hold = asyncio.Event()
        first = [asyncio.create_task(get(client)) for _ in range(4)]
        while len(server.asked) < 4:  # noqa: ASYNC110 (the server's own count is all that tells)
            await asyncio.sleep(0.005)
        server.hold.set()
        await asyncio.gather(*first)
        server.asked.clear()
        for _ in range(200):
            await get(client)
    assert server.opened == 4
    assert set(server.asked) == {0, 1, 2, 3}


@pytest.mark.parametrize("politely", [True, False])
async def test_one_that_the_server_has_closed_is_noticed_before_it_is_used(politely: bool) -> None:
    server = Server()
    async with serving(server.handle) as port, Upstream(f"http://127.0.0.1:{port}") as client:
        for _ in range(20):
            await get(client)
            writer = server.open.pop()
            # No time for our side to be told by its loop: the kernel alone knows.
            writer.transport.abort() if not politely else writer.close()
            await asyncio.sleep(0)
    assert server.opened == 20


async def test_one_on_which_the_server_says_more_is_not_used_again() -> None:
    server = Server()
    async with serving(server.handle) as port, Upstream(f"http://127.0.0.1:{port}") as client:
        await get(client)
        server.open[0].write(OK)
        await server.ended.wait()
        assert await get(client) == b"ok"
    assert server.opened == 2


async def test_who_waits_gets_the_connection_that_is_given_back() -> None:
    server = Server()
    async with (
        serving(server.handle) as port,
        Upstream(f"http://127.0.0.1:{port}", connections=2) as client,
    ):
        assert await asyncio.gather(*[get(client) for _ in range(50)]) == [b"ok"] * 50
    assert server.opened == 2


async def test_who_waits_gets_the_room_of_a_connection_that_is_gone() -> None:
    server = Server()
    server.hold = asyncio.Event()
    async with (
        serving(server.handle) as port,
        Upstream(f"http://127.0.0.1:{port}", connections=1) as client,
    ):
        first = asyncio.create_task(get(client))
        while not server.asked:  # noqa: ASYNC110 (the server's own count is all that tells)
            await asyncio.sleep(0.005)
        second = asyncio.create_task(get(client))
        third = asyncio.create_task(get(client))
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        server.hold.set()
        assert await third == b"ok"
    assert server.opened == 2


async def test_room_is_not_lost_to_those_who_leave() -> None:
    server = Server()
    async with (
        serving(server.handle) as port,
        Upstream(f"http://127.0.0.1:{port}", connections=2, connect_seconds=5) as client,
    ):
        for turn in range(20):
            tasks = [asyncio.create_task(get(client)) for _ in range(8)]
            for _ in range(turn % 6):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert await get(client) == b"ok"


async def test_an_idle_connection_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.05)
    server = Server()
    async with (
        serving(server.handle) as port,
        Upstream(f"http://127.0.0.1:{port}", read_seconds=0.2) as client,
    ):
        await get(client)
        await server.ended.wait()
        assert await get(client) == b"ok"
    assert server.opened == 2


async def test_leaving_the_context_closes_what_is_idle_and_what_is_under_way() -> None:
    server = Server()
    async with serving(server.handle) as port:
        async with Upstream(f"http://127.0.0.1:{port}") as client:
            await get(client)
            server.hold = asyncio.Event()
            waiting = asyncio.create_task(get(client))
            await asyncio.sleep(0.01)
        with pytest.raises(Exception, match="broke off"):
            await waiting
        server.hold.set()
        await server.ended.wait()
