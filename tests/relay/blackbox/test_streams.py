"""Pieces arrive before the next is sent, in both directions, and what is cut never looks whole."""

import asyncio
from contextlib import suppress

import pytest
from support.differences import outcome
from support.planes import Plane
from support.raw_http import connection, fields, read_body, read_chunk, read_head
from support.relays import ANSWER, CHUNKED, CHUNKED_ANSWER, Gateway, request

from relay.config import Limits

MIB = 1 << 20


async def test_pieces_of_the_request_go_on_before_its_end(gateway: Gateway, plane: Plane) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert fields(head)["transfer-encoding"] == "chunked"
        while chunk := await read_chunk(reader):
            seen.put_nowait(chunk)
        writer.write(CHUNKED_ANSWER + b"0\r\n\r\n")

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(CHUNKED)
        for piece in (b"first", b"other", b"third"):
            writer.write(b"5\r\n" + piece + b"\r\n")
            assert await seen.get() == piece  # The next is not written before.
        writer.write(b"0\r\n\r\n")
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("extra", ["", "Incremental: ?1\r\n"])
async def test_pieces_of_a_one_shot_request(gateway: Gateway, plane: Plane, extra: str) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(await reader.read(100))
        seen.put_nowait(await reader.read(100))

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (_, writer):
        writer.write(request(b"sealed", extra=extra)[:-3])
        if extra or outcome("one-shot in pieces", plane.name) == "passes as it comes":
            assert await seen.get() == b"sea"
            writer.write(b"led")
            assert await seen.get() == b"led"
        else:
            await asyncio.sleep(0.1)
            writer.write(b"led")
            assert await seen.get() == b"sealed"


async def test_head_and_pieces_of_the_answer_come_before_its_end(gateway: Gateway, plane: Plane) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        for part in (CHUNKED_ANSWER, b"5\r\nfirst\r\n", b"5\r\nother\r\n", b"0\r\n\r\n"):
            writer.write(part)
            await go_on.wait()
            go_on.clear()

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(request(kind="message/ohttp-chunked-req"))
        head = await read_head(reader)
        assert fields(head)["transfer-encoding"] == "chunked"
        for piece in (b"first", b"other", b""):
            go_on.set()  # Only now does the gateway send it.
            assert await read_chunk(reader) == piece
        go_on.set()


async def test_answer_and_request_may_overlap(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED_ANSWER)
        assert await read_chunk(reader) == b"begin"
        while chunk := await read_chunk(reader):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        writer.write(b"0\r\n\r\n")

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(CHUNKED + b"5\r\nbegin\r\n")
        await read_head(reader)
        writer.write(b"5\r\nfirst\r\n")
        assert await read_chunk(reader) == b"first"
        writer.write(b"5\r\nother\r\n0\r\n\r\n")
        assert [await read_chunk(reader), await read_chunk(reader)] == [b"other", b""]


async def test_large_messages_arrive_unchanged(gateway: Gateway, plane: Plane) -> None:
    sent = bytes(range(256)) * 3000

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await read_body(reader, head)
        writer.write(CHUNKED_ANSWER + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        _, body = await running.ask(request(sent, "message/ohttp-chunked-req"))
        assert body == sent
        data = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent)
        _, body = await running.ask(data)
        assert body == sent


async def test_a_refusal_before_the_end_of_the_request_comes_back(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 422 No\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
        )

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(CHUNKED + b"3\r\nsea\r\n")
        head = await read_head(reader)
        assert head.startswith(b"HTTP/1.1 422 ")
        assert await read_body(reader, head) == b"{}"


@pytest.mark.parametrize("start", [CHUNKED_ANSWER + b"5\r\nfirst\r\n", CHUNKED_ANSWER, ANSWER[:-1]])
async def test_a_gateway_that_dies_in_its_answer_is_seen_as_a_cut(
    gateway: Gateway, plane: Plane, start: bytes
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(start)
        raise ConnectionAbortedError

    gateway.answer = answer
    kind = "message/ohttp-chunked-req" if b"chunked-res" in start else "message/ohttp-req"
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(request(kind=kind))
        # Where it dies at once, nothing need have left yet: then a failure may be said in the clear.
        with suppress(ConnectionResetError):
            head = await read_head(reader)
            if not head.startswith(b"HTTP/1.1 502 "):
                with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                    await read_body(reader, head)
    assert len(gateway.heads) == 1


async def test_a_gateway_that_falls_silent_cuts_the_answer(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(CHUNKED_ANSWER + b"5\r\nfirst\r\n")
        await reader.read()

    gateway.answer = answer
    config = gateway.config(Limits(gateway_piece_seconds=0.3))
    async with plane.running(config) as running, connection(running.port) as (reader, writer):
        writer.write(request(kind="message/ohttp-chunked-req"))
        head = await read_head(reader)
        assert await read_chunk(reader) == b"first"
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await read_body(reader, head)


async def test_a_request_that_breaks_off_never_looks_whole_to_the_gateway(
    gateway: Gateway, plane: Plane
) -> None:
    ended = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await read_chunk(reader) == b"sea"
        arrived.set()
        try:
            gateway.bodies.append(await read_body(reader, head))
        finally:
            ended.set()

    arrived = asyncio.Event()
    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        async with connection(running.port) as (_, writer):
            writer.write(CHUNKED + b"3\r\nsea\r\n")
            await arrived.wait()
        await ended.wait()
    assert not gateway.bodies


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_answer_over_the_limit(gateway: Gateway, plane: Plane, framing: str) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        if framing == "length":
            writer.write(ANSWER)
        else:
            writer.write(CHUNKED_ANSWER.replace(b"chunked-res", b"res") + b"6\r\nanswer\r\n0\r\n\r\n")

    gateway.answer = answer
    async with plane.running(gateway.config(Limits(response_bytes=5))) as running:
        said = outcome("long announced answer" if framing == "length" else "long answer", plane.name)
        if said == "cut":
            with pytest.raises(asyncio.IncompleteReadError):
                await running.ask(request())
        else:
            head, body = await running.ask(request())
            assert head.startswith(b"HTTP/1.1 502 " if said == "502" else b"HTTP/1.1 200 ")
            assert (body == b"answer") is (said == "passes")


async def test_a_client_that_does_not_read_stops_the_gateway_and_is_given_up(
    gateway: Gateway, plane: Plane
) -> None:
    sent = 0
    closed = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_body(reader, head)
        writer.write(CHUNKED_ANSWER)
        try:
            while True:
                writer.write(b"100000\r\n" + bytes(MIB) + b"\r\n")
                await writer.drain()
                sent += MIB
        finally:
            closed.set()

    gateway.answer = answer
    config = gateway.config(Limits(piece_seconds=1.0, gateway_piece_seconds=2.0))
    async with plane.running(config) as running, connection(running.port) as (_, writer):
        writer.write(request(kind="message/ohttp-chunked-req"))
        await closed.wait()
    assert sent < 64 * MIB


async def test_a_gateway_that_does_not_read_stops_the_client(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    gateway.answer = answer
    config = gateway.config(Limits(request_bytes=1 << 30, gateway_piece_seconds=1.0))
    async with plane.running(config) as running, connection(running.port) as (reader, writer):
        writer.write(CHUNKED)
        sent = 0

        async def upload() -> None:
            nonlocal sent
            while True:
                writer.write(b"100000\r\n" + bytes(MIB) + b"\r\n")
                await writer.drain()
                sent += MIB

        uploading = asyncio.create_task(upload())
        head = b""
        # What was sent and not read resets the connection, and may take the answer with it.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await read_head(reader)
        uploading.cancel()
        await asyncio.gather(uploading, return_exceptions=True)
    assert head.startswith(b"HTTP/1.1 504 ") or not head
    # Both legs' socket buffers, and no more: the kernel grows each to a few MiB.
    assert sent < 64 * MIB
