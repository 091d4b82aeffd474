"""The pooled client: what goes out, the three ways to fail, streaming, and what ends a connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.ports import free_port
from support.raw_http import Handle, read_body, read_chunk, read_head, serving

from tacita.errors import TacitaError
from tacita.net.upstream import Upstream, UpstreamError, UpstreamLost, UpstreamTimeout, UpstreamUnreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def upstream(handle: Handle, *, seconds: float = 10.0) -> AsyncIterator[Upstream]:
    async with (
        serving(handle) as port,
        Upstream(f"http://127.0.0.1:{port}/base/", read_seconds=seconds) as client,
    ):
        yield client


async def whole(client: Upstream, body: bytes | AsyncIterator[bytes] | None = None) -> bytes:
    method = "GET" if body is None else "POST"
    async with client.request(
        method, "/path", [(b"X-One", b"1"), (b"x-two", b"2"), (b"X-One", b"3")], body
    ) as answer:
        return b"".join([piece async for piece in answer.pieces()])


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("kind", ["none", "bytes", "pieces"])
async def test_these_bytes_go_out_and_no_others(kind: str) -> None:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        seen.extend((head, b"" if kind == "none" else await read_body(reader, _once(head))))
        writer.write(OK)

    def _once(head: bytes) -> bytes:
        return head.replace(b"X-One: 3\r\n", b"")

    async with upstream(handle) as client:
        body = {"none": None, "bytes": b"body", "pieces": pieces(b"bo", b"dy")}[kind]
        assert await whole(client, body) == b"ok"  # type: ignore[arg-type]
    method, framing = {
        "none": (b"GET", b""),
        "bytes": (b"POST", b"Content-Length: 4\r\n"),
        "pieces": (b"POST", b"Transfer-Encoding: chunked\r\n"),
    }[kind]
    host = seen[0].partition(b"Host: ")[2].partition(b"\r\n")[0]
    start = b"%b /base/path HTTP/1.1\r\nHost: %b\r\n" % (method, host)
    assert seen[0] == start + b"X-One: 1\r\nx-two: 2\r\nX-One: 3\r\n" + framing + b"\r\n"
    assert seen[1] == (b"" if kind == "none" else b"body")


async def test_fields_come_as_they_are_and_nothing_is_remembered() -> None:
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await read_head(reader))
            writer.write(
                b"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n"
                b"Content-Type: Text/Plain; x=y\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw"
            )

    async with upstream(handle) as client:
        for _ in range(2):
            async with client.request("GET", "/", []) as answer:
                assert answer.status == 307
                assert answer.media_type == "text/plain"
                assert answer.fields[1:3] == ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
                assert [piece async for piece in answer.pieces()] == [b"raw"]
    assert heads[0] == heads[1]
    assert b"ookie" not in heads[1]


async def test_a_unix_socket_in_place_of_the_address(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
        writer.close()

    path = tmp_path / "s"
    server = await asyncio.start_unix_server(handle, path)
    async with server, Upstream("http://name.invalid", unix=path) as client:
        assert (await whole(client)).startswith(b"GET /path HTTP/1.1\r\nHost: name.invalid\r\n")


async def test_nobody_there_is_unreachable() -> None:
    async with Upstream(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(UpstreamUnreachable) as caught:
            await whole(client, pieces(b"body"))
    assert caught.value.status == 502


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", OK[:-1], CHUNKED + b"5\r\nfi"])
async def test_a_connection_that_breaks_is_lost_and_not_tried_again(said: bytes) -> None:
    asked = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await read_body(reader, await read_head(reader))
        writer.write(said)

    async with upstream(handle) as client:
        with pytest.raises(UpstreamLost) as caught:
            async with client.request("POST", "", [], b"body") as answer:
                _ = [piece async for piece in answer.pieces()]
    assert caught.value.status == 502
    assert asked == 1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-1]])
async def test_silence_is_a_timeout(said: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(said)
        await reader.read()

    async with upstream(handle, seconds=0.1) as client:
        with pytest.raises(UpstreamTimeout) as caught:
            async with client.request("POST", "", [], b"body") as answer:
                _ = [piece async for piece in answer.pieces()]
    assert caught.value.status == 504


async def test_a_server_that_does_not_take_the_body_is_a_timeout() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield bytes(1 << 20)

    async with upstream(handle, seconds=0.3) as client:
        with pytest.raises(UpstreamTimeout):
            await whole(client, endless())
    assert given < 64


async def test_a_slow_source_is_no_timeout_of_the_server() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        while await read_chunk(reader):
            pass
        assert head
        writer.write(OK)

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x"
            await asyncio.sleep(0.2)

    async with upstream(handle, seconds=0.1) as client, client.request("POST", "/", [], slow()) as answer:
        assert [piece async for piece in answer.pieces()] == [b"ok"]


class Ours(TacitaError):
    """What a body raises."""


@pytest.mark.parametrize("answered", [False, True])
async def test_what_the_body_raises_comes_out_and_the_server_sees_a_cut(answered: bool) -> None:
    cut = asyncio.Event()
    begun = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await read_chunk(reader)
        if answered:
            writer.write(CHUNKED + b"5\r\nfirst\r\n")
        try:
            await read_chunk(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            cut.set()

    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        if answered:
            await begun.wait()
        raise Ours("The source failed.")

    async def ask(client: Upstream) -> None:
        async with client.request("POST", "/", [], failing()) as answer:
            async for _ in answer.pieces():
                begun.set()

    async with upstream(handle) as client:
        with pytest.raises(Ours):
            await ask(client)
        await cut.wait()


async def test_leaving_early_closes_the_connection_and_reading_to_the_end_keeps_it() -> None:
    opened = 0
    closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        try:
            while head := await read_head(reader):
                writer.write(OK if b" /base/short " in head else CHUNKED + b"1\r\nx\r\n")
        except asyncio.IncompleteReadError:
            closed.set()

    async with upstream(handle) as client:
        for _ in range(3):
            async with client.request("GET", "/short", []) as answer:
                assert [piece async for piece in answer.pieces()] == [b"ok"]
        assert opened == 1
        async with client.request("GET", "/long", []) as answer:
            assert answer.status == 200
        await closed.wait()


async def test_a_cancelled_request_closes_the_connection() -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        arrived.set()
        assert await reader.read() == b""
        closed.set()

    async with upstream(handle) as client:
        task = asyncio.create_task(whole(client))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()


async def test_a_callers_own_timeout_stays_a_timeout_error() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with upstream(handle) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), client.request("POST", "/", [], pieces(b"x")):
                pass


async def test_a_full_pool_is_unreachable() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(CHUNKED)
        await reader.read()

    async with (
        serving(handle) as port,
        Upstream(f"http://127.0.0.1:{port}", connections=1, connect_seconds=0.1) as client,
        client.request("GET", "/", []),
    ):
        with pytest.raises(UpstreamUnreachable):
            await whole(client)


async def test_outside_its_context_it_is_a_mistake() -> None:
    with pytest.raises(RuntimeError):
        await whole(Upstream("http://127.0.0.1:1"))


def test_no_message_of_an_error_has_room_for_what_a_peer_said() -> None:
    assert issubclass(UpstreamError, TacitaError)
    assert {UpstreamUnreachable.status, UpstreamLost.status, UpstreamTimeout.status} == {502, 504}
