"""One connection: what counts as an answer, what ends it, and how much of it is held."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.raw_http import Handle, read_chunk, read_head, serving

from tacita.net.message import Fields
from tacita.net.response import WINDOW
from tacita.net.upstream import Upstream, UpstreamLost, UpstreamTimeout

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


class Server:
    """Answers each request with `said`, and ends the connection after it where `closes`."""

    def __init__(self, said: bytes, *, closes: bool = False) -> None:
        self.said = said
        self.closes = closes
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            await read_head(reader)
            writer.write(self.said)
            if self.closes:
                return


@asynccontextmanager
async def asking(handle: Handle, *, seconds: float = 10.0) -> AsyncIterator[Upstream]:
    async with serving(handle) as port, Upstream(f"http://127.0.0.1:{port}", read_seconds=seconds) as client:
        yield client


async def get(client: Upstream, method: str = "GET") -> bytes:
    async with client.request(method, "/", []) as answer:
        return b"".join([piece async for piece in answer.pieces()])


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (CHUNKED + b"1\r\no\r\n1;a=b\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 204 No\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n", b""),
    ],
)
async def test_an_answer_that_shows_its_end_leaves_the_connection_open(said: bytes, body: bytes) -> None:
    server = Server(said)
    async with asking(server.handle) as client:
        assert [await get(client) for _ in range(3)] == [body] * 3
    assert server.connections == 1


@pytest.mark.parametrize(
    ("said", "closes"),
    [
        (CLOSING + b"ok", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
    ],
)
async def test_one_that_ends_with_the_connection_is_whole(said: bytes, closes: bool) -> None:
    server = Server(said, closes=closes)
    async with asking(server.handle) as client:
        assert [await get(client) for _ in range(2)] == [b"ok"] * 2
    assert server.connections == 2


@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked", b"X: y"])
async def test_the_answer_to_a_head_has_no_content(framing: bytes) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
    async with asking(server.handle) as client:
        assert [await get(client, "HEAD") for _ in range(3)] == [b""] * 3
        server.said = OK
        assert await get(client) == b"ok"
    assert server.connections <= 4


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n" + OK,
        CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
        CHUNKED + b"2\nok\n0\n\n",
        OK + b"x",
        OK + OK,
        b"HTTP/1.1 204 No\r\n\r\nx",
        CLOSING.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"okx",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 201 + b"Content-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 32_768 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000,
        b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" * 201 + OK,
        b"HTTP/1.1 103 Early\r\n\r\n" * 4_000 + OK,
        CHUNKED + b"2;" + b"a" * 200_000,
        CHUNKED + b"2\r\nok\r\n0\r\nA: " + b"b" * 200_000,
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * 201 + b"\r\n",
    ],
)
async def test_what_is_not_plainly_one_answer_is_lost(said: bytes) -> None:
    async with asking(Server(said).handle) as client:
        with pytest.raises(UpstreamLost):
            await get(client)


async def test_content_in_answer_to_a_head_is_not_taken_for_the_next_answer() -> None:
    server = Server(OK)
    async with asking(server.handle) as client:
        with pytest.raises(UpstreamLost):
            await get(client, "HEAD")


async def test_informational_heads_come_before_and_trailers_after() -> None:
    said = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nlink: </b>\r\n\r\n"
        + CHUNKED
        + b"2\r\nok\r\n0\r\nX-Sum: 1 \r\nx-sum: 2\r\n\r\n"
    )
    server = Server(said)
    async with asking(server.handle) as client:
        for _ in range(2):
            async with client.request("GET", "/", []) as answer:
                assert answer.informational == [(100, ()), (103, ((b"link", b"</a>"), (b"link", b"</b>")))]
                assert answer.fields == ((b"transfer-encoding", b"chunked"),)
                assert await answer.read() == b"ok"
                assert await answer.read() == b""
                assert answer.trailers == ((b"x-sum", b"1"), (b"x-sum", b"2"))
    assert server.connections == 1


async def test_an_answer_in_one_segment_is_there_at_once() -> None:
    async with asking(Server(OK).handle) as client, client.request("GET", "/", []) as answer:
        assert answer.arrived() == b"ok"
        assert await answer.read() == b""


async def test_one_whose_end_has_not_come_is_not() -> None:
    async with asking(Server(OK[:-1]).handle) as client, client.request("GET", "/", []) as answer:
        assert answer.arrived() is None
        assert await answer.read() == b"o"


@pytest.mark.parametrize("head", [CHUNKED + b"5\r\nfi", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfi"])
async def test_what_came_before_a_break_is_given_first(head: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(head)
        await writer.drain()

    async with asking(handle) as client, client.request("GET", "/", []) as answer:
        while answer._source.open:  # type: ignore[attr-defined]  # noqa: ASYNC110 (it is all that tells)
            await asyncio.sleep(0.005)
        assert answer.arrived() is None
        assert await answer.read() == b"fi"
        with pytest.raises(UpstreamLost):
            await answer.read()


async def test_a_server_whose_answer_nobody_reads_is_stopped() -> None:
    written = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            writer.write(bytes(1 << 20))
            await writer.drain()
            written += 1

    async with asking(handle) as client, client.request("GET", "/", []) as answer:
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.1)
        assert written < 32
        assert answer._held <= 2 * WINDOW
        assert sum([len(piece) async for piece in answer.pieces()]) == 64 << 20


async def test_trickling_bytes_of_a_head_is_too_slow() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nA: ")
        while not writer.is_closing():
            writer.write(b"b")
            await asyncio.sleep(0.01)

    async with asking(handle, seconds=0.2) as client:
        with pytest.raises(UpstreamTimeout):
            await get(client)


async def test_trailers_of_a_request_are_asked_for_at_its_end() -> None:
    seen: list[bytes] = []
    sent: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        seen.append(await read_chunk(reader))
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async def body() -> AsyncIterator[bytes]:
        yield b"body"
        sent.append(b"sum")

    def trailers() -> Fields:
        return tuple((b"x-" + name, b"1") for name in sent)

    async with (
        asking(handle) as client,
        client.request("POST", "/", [], body(), trailers=trailers) as answer,
    ):
        assert await answer.read() == b"ok"
    assert seen == [b"body", b"0\r\nx-sum: 1\r\n\r\n"]


@pytest.mark.parametrize("length", [b"3", b"5"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_body_of_another_length_than_announced_is_a_mistake(length: bytes, streamed: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"body"

    async with asking(Server(b"").handle) as client:
        with pytest.raises(ValueError, match="than its Content-Length"):
            async with client.request(
                "POST", "/", [(b"content-length", length)], body() if streamed else b"body"
            ):
                pass


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET /", "/", b""),
        ("GET", "/ HTTP/1.1\r\nX: y", b""),
        ("GET", "/\xe9", b""),
        ("GET", "/", b"a\nb"),
        ("GET", "/", b"a\rb"),
        ("GET", "/", b"a\r\nb: c"),
    ],
)
async def test_what_cannot_be_written_as_one_request_is_a_mistake(
    method: str, path: str, field: bytes
) -> None:
    async with asking(Server(OK).handle) as client:
        with pytest.raises(ValueError, match="hold"):
            async with client.request(method, path, [(b"x", field)]):
                pass
