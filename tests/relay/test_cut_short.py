"""What is cut short: an answer that was cut never looks whole, and a client that goes away is gone."""

import asyncio

import pytest
from support.raw_http import connection, read_body, read_chunk, read_head
from support.relays import ANSWER, CHUNKED, CHUNKED_ANSWER, Gateway, relay_running, request

from relay.config import Limits


@pytest.mark.parametrize("start", [CHUNKED_ANSWER + b"5\r\nfirst\r\n", CHUNKED_ANSWER])
async def test_a_gateway_that_dies_in_a_chunked_answer_is_seen_as_a_cut(
    gateway: Gateway, start: bytes
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(start)
        raise ConnectionAbortedError

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(request(kind="message/ohttp-chunked-req"))
        head = await read_head(reader)
        with pytest.raises(asyncio.IncompleteReadError):
            await read_body(reader, head)
        assert await reader.read() == b"", "the connection is closed"
        assert relay.counted("lost") == 1


async def test_a_gateway_that_dies_in_an_answer_of_known_length_is_seen_as_a_cut(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(ANSWER[:-1])
        raise ConnectionAbortedError

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        writer.write(request())
        head = await read_head(reader)
        with pytest.raises(asyncio.IncompleteReadError):
            await read_body(reader, head)
        assert relay.counted("lost") == 1


async def test_an_answer_delimited_by_the_connection_alone_is_passed_on(gateway: Gateway) -> None:
    # HTTP/1.1 cannot tell such an answer from a cut one; the encapsulation does (chunked-08, section 7.1).
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\n\r\nanswer")
        raise ConnectionAbortedError

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        _, body = await relay.ask(request())
    assert body == b"answer"


async def test_a_request_that_fails_after_the_answer_began_cuts_the_answer(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED_ANSWER + b"5\r\nfirst\r\n")
        await read_body(reader, head)
        writer.write(b"0\r\n\r\n")

    gateway.answer = answer
    config = gateway.config(Limits(request_bytes=10))
    async with relay_running(config) as relay, connection(relay.port) as (reader, writer):
        writer.write(CHUNKED + b"5\r\nbegin\r\n")
        await read_head(reader)
        assert await read_chunk(reader) == b"first"
        writer.write(b"6\r\nsix by\r\n")
        with pytest.raises(asyncio.IncompleteReadError):
            await read_chunk(reader)
        assert relay.counted("too_long") == 1
    assert not gateway.bodies


@pytest.mark.parametrize("during", ["request", "wait", "answer"])
async def test_a_client_that_goes_away_closes_the_leg_to_the_gateway(gateway: Gateway, during: str) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if during == "request":
            await read_chunk(reader)
        else:
            await read_body(reader, head)
        if during == "answer":
            writer.write(CHUNKED_ANSWER + b"5\r\nfirst\r\n")
        arrived.set()
        assert await reader.read() == b""
        closed.set()

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        async with connection(relay.port) as (reader, writer):
            writer.write(CHUNKED + b"3\r\nsea\r\n" + (b"" if during == "request" else b"0\r\n\r\n"))
            await arrived.wait()
            if during == "answer":
                await read_head(reader)
        await closed.wait()
        await relay.until("client_gone")
