"""The exchange: refusals, streaming both ways, what is cut short, and bounds (RFC 9458, section 5)."""

import asyncio
import gc
import json
from contextlib import AsyncExitStack

import pytest
from support.raw_http import connection, fields, read_body, read_chunk, read_head
from support.relays import (
    ANSWER,
    CHUNKED,
    CHUNKED_ANSWER,
    Gateway,
    Relay,
    gateway_running,
    relay_running,
    request,
)

from relay.config import Limits

MIB = 1 << 20


async def refused(relay: Relay, data: bytes, status: int) -> dict[str, str]:
    """Expect a problem document, and return the header fields that it came with."""
    head, body = await relay.ask(data)
    named = fields(head)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert named["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert "server" not in named
    return named


# Refusals


@pytest.mark.parametrize(
    "kind", ["text/plain", "message/ohttp-res", "message/bhttp", "message/ohttp-req,x", ""]
)
async def test_another_media_type_is_415(gateway: Gateway, kind: str) -> None:
    async with relay_running(gateway.config()) as relay:
        await refused(relay, request(kind=kind), 415)
        assert relay.counted("media_type") == 1
    assert not gateway.heads


async def test_a_second_content_type_is_refused(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        head, _ = await relay.ask(request(extra="Content-Type: message/ohttp-req\r\n"))
    assert head.split(b" ")[1] in {b"400", b"415"}, "the HTTP parser may be faster"
    assert not gateway.heads


async def test_a_content_coding_is_415(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        named = await refused(relay, request(extra="Content-Encoding: gzip\r\n"), 415)
    assert named["accept-encoding"] == "identity"
    assert not gateway.heads


async def test_no_content_is_400(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        await refused(relay, request(b""), 400)
    assert not gateway.heads


async def test_http_1_0_is_505_since_it_cannot_show_a_cut_answer(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await reader.read()).startswith(b"HTTP/1.0 505 ")
    assert not gateway.heads


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"OPTIONS", b"HEAD"])
async def test_another_method_is_405_with_allow(gateway: Gateway, method: bytes) -> None:
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(method + b" /one HTTP/1.1\r\nHost: relay.example\r\n\r\n")
        head = await read_head(reader)
    assert head.startswith(b"HTTP/1.1 405 ")
    assert fields(head)["allow"] == "POST"


@pytest.mark.parametrize("path", ["//", "/two", "/one/", "/one/x", "/one/keys/x", "/%6fne2"])
async def test_an_unknown_gateway_is_404(gateway: Gateway, path: str) -> None:
    async with relay_running(gateway.config()) as relay:
        await refused(relay, request(path=path), 404)


async def test_a_mirror_only_relay_takes_no_requests(gateway: Gateway) -> None:
    async with relay_running(gateway.config(mirror_only=True)) as relay:
        await refused(relay, request(), 404)


async def test_a_length_over_the_limit_is_413_before_anything_is_read(gateway: Gateway) -> None:
    async with relay_running(gateway.config(Limits(request_bytes=100))) as relay:
        head = (
            b"POST /one HTTP/1.1\r\nHost: r\r\nContent-Type: message/ohttp-req\r\nContent-Length: 101\r\n\r\n"
        )
        await refused(relay, head, 413)
        assert relay.counted("too_long") == 1
        await relay.ask(request(bytes(100)))
    assert len(gateway.heads) == 1


async def test_a_stream_over_the_limit_is_413(gateway: Gateway) -> None:
    async with relay_running(gateway.config(Limits(request_bytes=100))) as relay:
        await refused(relay, CHUNKED + b"64\r\n" + bytes(100) + b"\r\n1\r\nx\r\n", 413)
        assert relay.counted("too_long") == 1
    assert not gateway.bodies, "the gateway must not take it for a whole request"


async def test_a_slow_body_is_408(gateway: Gateway) -> None:
    async with relay_running(gateway.config(Limits(piece_seconds=0.1))) as relay:
        await refused(relay, request(b"sealed")[:-1], 408)
        assert relay.counted("too_slow") == 1
    assert not gateway.bodies


async def test_broken_framing_never_becomes_a_whole_request(gateway: Gateway) -> None:
    arrived = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        gateway.bodies.append(await read_body(reader, head))

    gateway.answer = answer
    config = gateway.config(Limits(piece_seconds=0.2))
    async with relay_running(config) as relay, connection(relay.port) as (reader, writer):
        writer.write(CHUNKED + b"3\r\nsea\r\n")
        await arrived.wait()
        writer.write(b"zz\r\n")
        assert (await read_head(reader)).split(b" ")[1] in {b"400", b"408"}
    assert not gateway.bodies


# Streaming


async def test_pieces_of_the_request_go_on_before_its_end(gateway: Gateway) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await read_chunk(reader):
            seen.put_nowait(chunk)
        writer.write(CHUNKED_ANSWER + b"0\r\n\r\n")

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(CHUNKED)
        for piece in (b"first", b"other"):
            writer.write(b"5\r\n" + piece + b"\r\n")
            assert await seen.get() == piece  # The next is not written before.
        writer.write(b"0\r\n\r\n")
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")


async def test_head_and_pieces_of_the_answer_come_before_its_end(gateway: Gateway) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        for part in (CHUNKED_ANSWER, b"5\r\nfirst\r\n", b"5\r\nother\r\n", b"0\r\n\r\n"):
            writer.write(part)
            await go_on.wait()
            go_on.clear()

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(request(kind="message/ohttp-chunked-req"))
        head = await read_head(reader)
        assert fields(head)["transfer-encoding"] == "chunked"
        for piece in (b"first", b"other", b""):
            go_on.set()  # Only now does the gateway send it.
            assert await read_chunk(reader) == piece
        go_on.set()
        await relay.until("answered")


async def test_answer_and_request_may_overlap(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED_ANSWER)
        assert await read_chunk(reader) == b"begin"
        while chunk := await read_chunk(reader):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        writer.write(b"0\r\n\r\n")

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(CHUNKED + b"5\r\nbegin\r\n")
        await read_head(reader)
        for piece in (b"first", b"other"):
            writer.write(b"5\r\n" + piece + b"\r\n")
            assert await read_chunk(reader) == piece
        writer.write(b"0\r\n\r\n")
        assert await read_chunk(reader) == b""


async def test_large_messages_arrive_unchanged(gateway: Gateway) -> None:
    sent = bytes(range(256)) * 4096

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await read_body(reader, head)
        writer.write(CHUNKED_ANSWER + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        _, body = await relay.ask(request(sent, "message/ohttp-chunked-req"))
    assert body == sent


async def test_a_refusal_before_the_end_of_the_request_comes_back(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 422 No\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
        )

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(CHUNKED + b"3\r\nsea\r\n")
        head = await read_head(reader)
        assert head.startswith(b"HTTP/1.1 422 ")
        assert await read_body(reader, head) == b"{}"


# The gateway's failures


async def test_an_unreachable_gateway_is_502() -> None:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(gateway_running())
        async with relay_running(gateway.config()) as relay:
            await stack.aclose()
            await refused(relay, request(), 502)
            assert relay.counted("unreachable") == 1


async def test_a_gateway_that_closes_without_an_answer_is_502_and_asked_once(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        raise ConnectionAbortedError

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        await refused(relay, request(), 502)
        assert relay.counted("lost") == 1
    assert len(gateway.heads) == 1


async def test_a_gateway_that_speaks_something_else_is_502(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-gateway\r\n\r\n")

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        await refused(relay, request(), 502)


async def test_a_silent_gateway_is_504(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    gateway.answer = answer
    async with relay_running(gateway.config(Limits(gateway_piece_seconds=0.1))) as relay:
        await refused(relay, request(), 504)
        assert relay.counted("timeout") == 1


async def test_a_gateway_that_falls_silent_cuts_the_answer(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED_ANSWER + b"5\r\nfirst\r\n")
        await reader.read()

    gateway.answer = answer
    async with relay_running(gateway.config(Limits(gateway_piece_seconds=0.1))) as relay:
        async with connection(relay.port) as (reader, writer):
            writer.write(request(kind="message/ohttp-chunked-req"))
            head = await read_head(reader)
            with pytest.raises(asyncio.IncompleteReadError):
                await read_body(reader, head)
        assert relay.counted("timeout") == 1


async def test_an_exchange_that_lasts_too_long_is_504(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    gateway.answer = answer
    async with relay_running(gateway.config(Limits(exchange_seconds=0.1))) as relay:
        await refused(relay, request(), 504)
        assert relay.counted("exchange_too_long") == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_answer_over_the_limit_does_not_pass(gateway: Gateway, framing: str) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        if framing == "length":
            writer.write(ANSWER)
        else:
            start = CHUNKED_ANSWER.replace(b"chunked-res", b"res")
            writer.write(start + b"6\r\nanswer\r\n0\r\n\r\n")

    gateway.answer = answer
    async with relay_running(gateway.config(Limits(response_bytes=5))) as relay:
        if framing == "length":
            await refused(relay, request(), 502)
        else:
            with pytest.raises(asyncio.IncompleteReadError):
                await relay.ask(request())
        assert relay.counted("answer_too_long") == 1


# Back-pressure


async def test_a_gateway_that_does_not_read_stops_the_client_and_is_given_up(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    gateway.answer = answer
    config = gateway.config(Limits(request_bytes=1 << 30, gateway_piece_seconds=1.0))
    async with relay_running(config) as relay, connection(relay.port) as (reader, writer):
        writer.write(CHUNKED)
        sent = 0

        async def upload() -> None:
            nonlocal sent
            while True:
                writer.write(b"100000\r\n" + bytes(MIB) + b"\r\n")
                await writer.drain()
                sent += MIB

        uploading = asyncio.create_task(upload())
        head = await read_head(reader)
        uploading.cancel()
        await asyncio.gather(uploading, return_exceptions=True)
        assert head.startswith(b"HTTP/1.1 504 ")
        assert relay.counted("timeout") == 1
        # Both legs' socket buffers, and no more: the kernel grows each to a few MiB.
        assert sent < 64 * MIB


async def test_a_client_that_does_not_read_stops_the_gateway_and_is_given_up(gateway: Gateway) -> None:
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
    config = gateway.config(Limits(piece_seconds=1.0))
    async with relay_running(config) as relay, connection(relay.port) as (_, writer):
        writer.write(request(kind="message/ohttp-chunked-req"))
        await closed.wait()
        await relay.until("reader_too_slow")
    assert sent < 64 * MIB


async def test_many_exchanges_leave_nothing_behind(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        for _ in range(3):
            await relay.ask(request())
        gc.collect()
        before = len(asyncio.all_tasks())
        await asyncio.gather(*(relay.ask(request()) for _ in range(50)))
        await asyncio.sleep(0.1)
        gateway_connections = 50
        assert len(asyncio.all_tasks()) <= before + gateway_connections
        assert relay.counted("answered") == 53
        assert relay.counted("defect") == 0
