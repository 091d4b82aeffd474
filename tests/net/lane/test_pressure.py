"""Back-pressure both ways, and peers that are too slow: for a head, a piece, an answer, or to go on."""

import asyncio
import socket

import pytest
from support.lanes import TYPE, Echo, chunked, plain, port, post
from support.raw_http import connection, read_body, read_head

from tacita.net.lane.limits import Limits
from tacita.net.message import ReaderTooSlow, Request, SenderTooSlow

MIB = 1 << 20

# Two socket buffers, which the kernel grows to a few MiB each, and the lane's window.
WINDOWS = 24 * MIB


async def test_a_handler_that_does_not_read_stops_its_peer() -> None:
    go_on = asyncio.Event()
    size = 0

    async def handle(request: Request) -> None:
        nonlocal size
        await go_on.wait()
        while piece := await request.read():
            # Nothing is held but a window and what one read of the socket brings.
            assert len(piece) <= (64 << 10) + (256 << 10)
            size += len(piece)
        await request.answer(200, TYPE, b"")

    sent = 0
    async with port({"/echo": handle}) as one, connection(one.number) as (reader, writer):

        async def upload() -> None:
            nonlocal sent
            writer.write(chunked(b""))
            for _ in range(40):
                writer.write(b"100000\r\n" + bytes(MIB) + b"\r\n")
                await writer.drain()
                sent += MIB
            writer.write(b"0\r\n\r\n")

        uploading = asyncio.create_task(upload())
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < WINDOWS
        go_on.set()
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")
        await uploading
    assert size == 40 * MIB


async def test_a_peer_that_does_not_read_stops_the_handler() -> None:
    sent = 0

    async def handle(request: Request) -> None:
        nonlocal sent
        await request.begin(200, TYPE, 40 * MIB)
        for _ in range(640):
            await request.write(bytes(64 << 10))
            sent += 64 << 10
        await request.end()

    async with port({"/echo": handle}) as one, connection(one.number) as (reader, writer):
        writer.write(post())
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < WINDOWS
        head = await read_head(reader)
        assert len(await read_body(reader, head)) == 40 * MIB


async def test_answers_that_nobody_takes_are_held_once_for_each_connection() -> None:
    echo = Echo()

    def handle(request: Request) -> None:
        content = request.content()
        assert content is not None
        echo.seen.append(content)
        request.send(200, TYPE, bytes(8 * MIB))

    limits = Limits(piece_seconds=0.5)
    async with port({"/echo": handle}, limits=limits) as one:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", one.number))
        sock.sendall(post() * 50)
        await asyncio.sleep(0.3)
        assert 1 <= len(echo.seen) <= 2
        await asyncio.sleep(1)
        sock.close()
        await one.public.drain(5)


@pytest.mark.parametrize("part", [b"P", b"POST /echo HTTP/1.1\r\n", post()[:-2]])
async def test_a_head_that_does_not_end_is_408_however_it_drips(part: bytes) -> None:
    async with (
        port({"/echo": Echo().handle}, limits=Limits(head_seconds=0.5)) as one,
        connection(one.number) as (reader, writer),
    ):
        writer.write(part)
        dripping = asyncio.create_task(_drip(writer, b"x"))
        answers = plain(await reader.read())
        dripping.cancel()
    assert [status for status, _ in answers] == [408]


async def _drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    while True:
        await asyncio.sleep(0.05)
        writer.write(data)


@pytest.mark.parametrize("requests", [0, 1])
async def test_an_idle_connection_is_closed_without_a_word(requests: int) -> None:
    async with (
        port({"/echo": Echo().handle}, limits=Limits(idle_seconds=0.3)) as one,
        connection(one.number) as (reader, writer),
    ):
        for _ in range(requests):
            writer.write(post())
            await read_head(reader)
        assert await reader.read() == b""


@pytest.mark.parametrize("data", [post(b"piece")[:-1], chunked(b"5\r\npiece\r\n"), chunked(b"5\r\npie")])
async def test_a_piece_that_does_not_come_is_408(data: bytes) -> None:
    raised: list[Exception] = []

    async def handle(request: Request) -> None:
        request.piece_seconds = 0.2
        try:
            while await request.read():
                pass
        except SenderTooSlow as error:
            raised.append(error)
            raise

    async with port({"/echo": handle}) as one:
        answers = await one.exchange(data)
        assert [status for status, _ in plain(answers)] == [408]
        assert b"\r\nConnection: close\r\n" in answers
    assert raised


async def test_a_peer_that_takes_nothing_is_given_up_and_its_answer_is_cut() -> None:
    raised = asyncio.Event()

    async def handle(request: Request) -> None:
        request.piece_seconds = 0.3
        await request.begin(200, TYPE)
        try:
            while True:
                await request.write(bytes(MIB))
        except ReaderTooSlow:
            raised.set()
            request.break_off(linger_seconds=0)

    async with port({"/echo": handle}) as one, connection(one.number) as (reader, writer):
        writer.write(post())
        await raised.wait()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await read_body(reader, await read_head(reader))
        await one.public.drain(5)
        assert not one.defects()


async def test_what_comes_behind_a_refusal_is_dropped_for_a_while_and_then_cut() -> None:
    async with port({"/echo": Echo().handle}, limits=Limits(linger_seconds=0.3)) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.number)
        writer.write(b"nonsense\r\n\r\n")
        assert b" 400 " in await reader.read()
        while not writer.is_closing():
            writer.write(bytes(1000))
            await asyncio.sleep(0.05)


async def test_a_long_junk_body_is_refused_early() -> None:
    async with port({"/echo": Echo().handle}) as one, connection(one.number) as (reader, writer):
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n")
        for _ in range(4):
            writer.write(bytes(MIB))
        answers = plain(await reader.read())
    assert [status for status, _ in answers] == [413]


async def test_draining_ends_streams_says_close_and_closes_what_is_idle() -> None:
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def handle(request: Request) -> None:
        await request.begin(200, TYPE, 4)
        begun.set()
        await go_on.wait()
        await request.write(b"last")
        await request.end()

    async with (
        port({"/echo": handle, "/quick": Echo().handle}) as one,
        connection(one.number) as (reader, writer),
        connection(one.number) as (idle, idle_writer),
    ):
        idle_writer.write(post(path="/quick"))
        await read_head(idle)
        writer.write(post())
        await begun.wait()
        one.public.stop_accepting()
        draining = asyncio.create_task(one.public.drain(10))
        await asyncio.sleep(0.05)
        idle_writer.write(post(path="/quick"))
        assert b"\r\nConnection: close\r\n" in await read_head(idle)
        assert not draining.done()
        go_on.set()
        assert await read_body(reader, await read_head(reader)) == b"last"
        await draining
        assert await reader.read() == b""


async def test_what_outlasts_the_drain_is_cut_and_cancelled() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> None:
        await request.begin(200, TYPE)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with port({"/echo": handle}) as one, connection(one.number) as (reader, writer):
        writer.write(post())
        await begun.wait()
        await one.public.drain(0.1)
        await one.public.close()
        assert cancelled.is_set()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await read_body(reader, await read_head(reader))
