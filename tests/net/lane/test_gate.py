"""A gate before the port: what it is told, that everything that begins also ends, and refusals."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from support.certificates import self_signed
from support.lanes import Echo, chunked, post
from support.raw_http import connection, read_body, read_head

from tacita.errors import TacitaError
from tacita.net.message import Fields, Request
from tacita.net.tls import client_context, server_context
from tacita.service.config import Listen
from tacita.service.listening import Public, serving
from tacita.service.logs import Logger
from tacita.service.problems import middleware

HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n"


class Enough(TacitaError):
    status = 429


@dataclass
class Keeper:
    """A gate that notes everything; `closed` to connections, or `full` for requests."""

    closed: bool = False
    full: bool = False
    addresses: list[str] = field(default_factory=list)
    begun: list[tuple[bytes, Fields]] = field(default_factory=list)
    inside: int = 0
    most: int = 0
    visitors: int = 0

    def visit(self, address: str) -> "Visitor | None":
        self.addresses.append(address)
        if self.closed:
            return None
        self.visitors += 1
        return Visitor(self)

    async def empty(self) -> None:
        """Wait until all are gone."""
        while self.visitors or self.inside:  # noqa: ASYNC110 - that it is so is all that is asked
            await asyncio.sleep(0.01)


class Visitor:
    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._inside = False

    def begin(self, method: bytes, fields: Fields) -> None:
        assert not self._inside, "one at a time"
        if self._keeper.full:
            raise Enough("It is enough.")
        self._inside = True
        self._keeper.begun.append((method, fields))
        self._keeper.inside += 1

    def end(self) -> None:
        self._keeper.inside -= self._inside
        self._inside = False

    def over(self) -> None:
        self._keeper.visitors -= 1


@asynccontextmanager
async def gated(
    keeper: Keeper, tls: tuple[Path, Path] | None = None, listen: Listen | None = None
) -> AsyncIterator[Public]:
    """Serve POST /echo and /at-once on the lane and GET /hello behind it, with `keeper` before both."""
    log = Logger("test", {}, stream=io.StringIO())
    app = web.Application(middlewares=[middleware(log)])

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app.router.add_get("/hello", hello)
    echo = Echo()

    async def stuck(request: Request) -> None:
        await asyncio.Event().wait()

    lane = {"/echo": echo.handle, "/at-once": echo.at_once, "/stuck": stuck}
    public = Public(app, lane, log, gate=keeper)
    async with serving(public, listen, server_context(*tls) if tls else None):
        yield public


async def test_every_request_begins_and_ends_whichever_way_it_takes() -> None:
    keeper = Keeper()
    async with gated(keeper) as public, connection(public.port) as (reader, writer):
        messages = [
            post(b"x"),
            post(b"y", "/at-once"),
            chunked(b"1\r\nx\r\n0\r\n\r\n"),
            HELLO,
            HELLO,
            post(b"z"),
        ]
        for message in messages:
            writer.write(message)
            await read_body(reader, await read_head(reader))
        # Its handler may end a moment after its answer.
        while keeper.inside:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert [method for method, _ in keeper.begun] == [b"POST"] * 3 + [b"GET"] * 2 + [b"POST"]
        assert (b"x-a", b"b") in keeper.begun[3][1]
        assert keeper.addresses == ["127.0.0.1"]
        assert keeper.visitors == 1
        writer.close()
        await keeper.empty()


@pytest.mark.parametrize(
    "data", [post(b"x"), post(b"x", "/at-once"), HELLO], ids=["lane", "at-once", "aiohttp"]
)
async def test_a_request_that_is_refused_gets_the_answer_of_its_error(data: bytes) -> None:
    keeper = Keeper(full=True)
    async with gated(keeper) as public, connection(public.port) as (reader, writer):
        for _ in range(3):
            writer.write(data)
            head = await read_head(reader)
            assert head.startswith(b"HTTP/1.1 429 ")
            assert b"It is enough." in await read_body(reader, head)
        keeper.full = False
        writer.write(data)
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_what_is_refused_before_its_content_is_the_last_of_its_connection() -> None:
    keeper = Keeper(full=True)
    async with gated(keeper) as public, connection(public.port) as (reader, writer):
        writer.write(post(bytes(1000))[:-500])
        head = await read_head(reader)
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nConnection: close\r\n" in head
        await read_body(reader, head)
        assert await reader.read() == b""


async def test_a_connection_that_is_refused_is_closed_unheard() -> None:
    keeper = Keeper(closed=True)
    async with gated(keeper) as public, connection(public.port) as (reader, writer):
        try:
            writer.write(post(b"x"))
            assert await reader.read() == b""
        except ConnectionError:
            pass
    assert not keeper.begun


@pytest.mark.parametrize("data", [post(b"x", "/stuck"), post(b"x")[:-1], b"", HELLO[:-2], HELLO])
async def test_a_peer_that_goes_away_is_gone_in_every_state(data: bytes) -> None:
    keeper = Keeper()
    async with gated(keeper) as public:
        async with connection(public.port) as (_, writer):
            writer.write(data)
            await asyncio.sleep(0.05)
        await keeper.empty()
    assert len(keeper.addresses) == 1


@pytest.mark.parametrize("data", [post(b"x"), HELLO], ids=["lane", "aiohttp"])
async def test_the_same_over_tls(tmp_path: Path, data: bytes) -> None:
    certificate, key = self_signed(tmp_path)
    keeper = Keeper()
    async with gated(keeper, (certificate, key)) as public:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", public.port, ssl=client_context(certificate)
        )
        writer.write(data)
        await read_body(reader, await read_head(reader))
        assert keeper.addresses == ["127.0.0.1"]
        assert len(keeper.begun) == 1
        writer.close()
        await keeper.empty()


async def test_the_address_is_that_of_the_proxy_header() -> None:
    keeper = Keeper()
    listen = Listen(proxy_protocol=True, balancers=("127.0.0.0/8",))
    async with gated(keeper, listen=listen) as public, connection(public.port) as (reader, writer):
        writer.write(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n" + HELLO)
        await read_body(reader, await read_head(reader))
        assert keeper.addresses == ["192.0.2.1"]


async def test_over_a_unix_socket_there_is_no_address(tmp_path: Path) -> None:
    keeper = Keeper()
    path = tmp_path / "socket"
    async with gated(keeper, listen=Listen(unix=path)):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(post(b"x"))
        await read_body(reader, await read_head(reader))
        assert keeper.addresses == [""]
        writer.close()
        await keeper.empty()
