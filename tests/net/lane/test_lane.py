"""The lane as a server: answers, pieces, kept connections, failures, what ends a connection."""

import asyncio

import pytest
from support.lanes import TYPE, WAYS, Echo, Port, chunked, plain, port, post
from support.raw_http import connection, fields, read_body, read_chunk, read_head

from tacita.errors import LimitExceeded
from tacita.net.lane.limits import Limits
from tacita.net.message import PeerGone, Request


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_has_these_fields_and_no_others(way: str) -> None:
    async with port({"/echo": Echo().handle}, way) as one, connection(one.number) as (reader, writer):
        writer.write(post(b"content"))
        head = await read_head(reader)
        assert await read_body(reader, head) == b"content"
    named = fields(head)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\nDate: ")
    if way == "lane":
        assert set(named) == {"content-type", "content-length", "date"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("handler", ["handle", "at_once"])
async def test_a_kept_connection_carries_requests_of_every_kind(way: str, handler: str) -> None:
    echo = Echo()
    async with (
        port({"/echo": getattr(echo, handler)}, way) as one,
        connection(one.number) as (reader, writer),
    ):
        for data in (
            post(b"first"),
            chunked(b"3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n"),
            post(b""),
            post(b"fourth", path="/echo?with=query"),
            post(b"fourth", path="/echo?with=query"),
            post(b"fifth", extra="Connection: close\r\n"),
        ):
            writer.write(data)
            head = await read_head(reader)
            await read_body(reader, head)
        assert fields(head)["connection"] == "close"
        assert await reader.read() == b""
    assert echo.seen == [b"first", b"second", b"", b"fourth", b"fourth", b"fifth"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_handler_is_told(way: str) -> None:
    told: list[object] = []

    async def handle(request: Request) -> None:
        told.extend((request.method, request.target, request.length, request.version, request.certificate()))
        told.append(request.values(b"x-two"))
        told.append([name for name, _ in request.fields])
        assert not request.started
        assert not request.ended
        assert await request.read() == b"abc"
        assert await request.read() == b""
        assert request.ended
        await request.answer(200, TYPE, b"")
        assert request.started

    async with port({"/echo": handle}, way) as one:
        extra = "X-Two: 1\r\nA:\r\nX-TWO: \t2 \r\nConnection: close\r\n"
        answer = await one.exchange(post(b"abc", "/echo?a=%20b", extra))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert not one.defects()
    assert told[:5] == [b"POST", b"/echo?a=%20b", 3, (1, 1), None]
    assert told[5:] == [[b"1", b"2"], [b"host", b"x-two", b"a", b"x-two", b"connection", b"content-length"]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", [None, 10])
async def test_an_answer_in_pieces_goes_out_as_it_comes(way: str, length: int | None) -> None:
    go_on = asyncio.Event()

    async def handle(request: Request) -> None:
        await request.begin(200, TYPE, length)
        for piece in (b"first", b"other"):
            await go_on.wait()
            go_on.clear()
            await request.write(piece)
        await go_on.wait()
        await request.end()

    async with port({"/echo": handle}, way) as one, connection(one.number) as (reader, writer):
        for _ in range(2):
            writer.write(post())
            head = await read_head(reader)
            for piece in (b"first", b"other"):
                go_on.set()
                got = await (read_chunk(reader) if length is None else reader.readexactly(5))
                assert got == piece
            go_on.set()
            if length is None:
                assert await read_chunk(reader) == b""
    assert ("content-length" in fields(head)) == (length is not None)


@pytest.mark.parametrize("way", WAYS)
async def test_answer_and_request_may_overlap(way: str) -> None:
    async def handle(request: Request) -> None:
        await request.begin(200, TYPE)
        while piece := await request.read():
            await request.write(piece)
        await request.end()

    async with port({"/echo": handle}, way) as one, connection(one.number) as (reader, writer):
        for _ in range(2):
            writer.write(chunked(b""))
            await read_head(reader)
            for piece in (b"first", b"other"):
                writer.write(b"5\r\n" + piece + b"\r\n")
                assert await read_chunk(reader) == piece
            writer.write(b"0\r\n\r\n")
            assert await read_chunk(reader) == b""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_content_has_no_framing(way: str, status: int) -> None:
    async def handle(request: Request) -> None:
        await request.answer(status, (), b"")

    async with port({"/echo": handle}, way) as one:
        answer = await one.exchange(post(b"x", extra="Connection: close\r\n"))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"ransfer-" not in answer
    assert answer.endswith(b"\r\n\r\n")


# What handlers raise


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_of_the_tree_becomes_its_answer_and_the_connection_is_kept(way: str) -> None:
    async def handle(request: Request) -> None:
        await request.read()
        raise LimitExceeded("Too much.")

    async with port({"/echo": handle}, way) as one, connection(one.number) as (reader, writer):
        for _ in range(2):
            writer.write(post(b"x"))
            head = await read_head(reader)
            assert head.startswith(b"HTTP/1.1 413 ")
            assert b"Too much." in await read_body(reader, head)
        assert not one.defects()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["raises", "returns", "at once"])
async def test_a_defect_is_logged_by_its_kind_and_answered_without_words(way: str, how: str) -> None:
    async def handle(_request: Request) -> None:
        if how == "raises":
            raise ValueError("a secret")

    def at_once(_request: Request) -> None:
        raise ValueError("a secret")

    async with port({"/echo": at_once if how == "at once" else handle}, way) as one:
        answer = await one.exchange(post(b"x", extra="Connection: close\r\n"))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"secret" not in answer
        assert one.defects() == ["RuntimeError" if how == "returns" else "ValueError"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["raises", "returns", "breaks off"])
@pytest.mark.parametrize("length", [None, 100])
async def test_an_answer_that_stops_in_between_is_seen_as_cut(way: str, how: str, length: int | None) -> None:
    async def handle(request: Request) -> None:
        await request.begin(200, TYPE, length)
        await request.write(b"first")
        if how == "raises":
            raise LimitExceeded("No.")
        if how == "breaks off":
            request.break_off()

    async with port({"/echo": handle}, way) as one, connection(one.number) as (reader, writer):
        writer.write(post())
        head = await read_head(reader)
        with pytest.raises(asyncio.IncompleteReadError):
            await read_body(reader, head)


@pytest.mark.parametrize("field", [(b"A", b"b\r\nC: d"), (b"A", b"b\nC"), (b"A\rB", b"c")])
async def test_a_line_break_in_a_field_is_a_defect_and_nothing_leaves(field: tuple[bytes, bytes]) -> None:
    async def handle(request: Request) -> None:
        await request.answer(200, (field,), b"")

    async with port({"/echo": handle}) as one:
        answer = await one.exchange(post(extra="Connection: close\r\n"))
        assert [status for status, _ in plain(answer)] == [500]
        assert one.defects() == ["ValueError"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_second_answer_or_more_or_less_than_was_said_is_a_mistake(way: str) -> None:
    async def twice(request: Request) -> None:
        await request.answer(200, TYPE, b"once")
        with pytest.raises(RuntimeError):
            await request.begin(200, ())
        with pytest.raises(RuntimeError):
            request.send(200, (), b"")
        with pytest.raises(RuntimeError):
            await request.end()

    async def wrong(request: Request) -> None:
        with pytest.raises(RuntimeError):
            await request.write(b"before it began")
        await request.begin(200, TYPE, 4)
        with pytest.raises(RuntimeError):
            await request.write(b"longer")
        await request.write(b"sho")
        with pytest.raises(RuntimeError):
            await request.end()
        await request.write(b"t")
        await request.end()

    async with port({"/twice": twice, "/wrong": wrong}, way) as one:
        data = post(path="/twice"), post(path="/wrong", extra="Connection: close\r\n")
        async with connection(one.number) as (reader, writer):
            for each, expected in zip(data, (b"once", b"shot"), strict=True):
                writer.write(each)
                await read_head(reader)
                assert await reader.readexactly(4) == expected
        assert not one.defects()


# Peers that go away


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("during", ["reading", "waiting", "writing"])
async def test_a_peer_that_goes_away_cancels_the_handler(way: str, during: str) -> None:
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> None:
        try:
            if during == "writing":
                await request.begin(200, TYPE)
            arrived.set()
            while during == "reading":
                await request.read()
            while during == "writing":
                await request.write(bytes(100_000))
            await asyncio.Event().wait()
        except (asyncio.CancelledError, PeerGone):
            cancelled.set()
            raise

    async with port({"/echo": handle}, way) as one:
        async with connection(one.number) as (_, writer):
            writer.write(chunked(b"1\r\nx\r\n") if during == "reading" else post())
            await arrived.wait()
        await cancelled.wait()
        await _quiet(one)
        assert not one.defects()


async def test_a_handler_whose_answer_is_complete_is_let_to_end() -> None:
    ended = asyncio.Event()
    go_on = asyncio.Event()

    async def handle(request: Request) -> None:
        await request.answer(200, TYPE, b"done")
        await go_on.wait()
        ended.set()

    async with port({"/echo": handle}) as one:
        async with connection(one.number) as (reader, writer):
            writer.write(post())
            await read_head(reader)
        await asyncio.sleep(0.05)
        go_on.set()
        await ended.wait()


async def test_a_peer_that_is_gone_before_its_handler_began_leaves_nothing_behind() -> None:
    echo = Echo()
    async with port({"/echo": echo.handle}) as one:
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", one.number)
            writer.write(post(b"x"))
            writer.transport.abort()
        await _quiet(one)
        assert not one.defects()


async def test_over_the_limit_connections_are_closed_and_then_taken_again() -> None:
    async with port({"/echo": Echo().handle}, limits=Limits(connections=2)) as one:
        async with connection(one.number) as (first, writer), connection(one.number):
            writer.write(post(b"x"))
            await read_head(first)
            async with connection(one.number) as (third, _):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    assert await third.readexactly(1)
        async with connection(one.number) as (reader, writer):
            writer.write(post(b"x"))
            assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_connections_that_aiohttp_has_count_too() -> None:
    async with (
        port({"/echo": Echo().handle}, limits=Limits(connections=1)) as one,
        connection(one.number) as (reader, writer),
    ):
        writer.write(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        await read_head(reader)
        for _ in range(2):
            async with connection(one.number) as (second, _):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    assert await second.readexactly(1)
            await asyncio.sleep(0.3)


async def _quiet(one: Port) -> None:
    """Wait until no request is under way."""
    await asyncio.wait_for(one.public.drain(10), 5)
