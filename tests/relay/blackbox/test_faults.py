"""Gateways that are away, slow, wrong or full, and clients that half go away."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import pytest
from support.differences import outcome
from support.planes import Plane, Running
from support.raw_http import connection, fields, read_body, read_head
from support.relays import ANSWER, Gateway, gateway_running, request

from relay.config import Limits


async def refused(running: Running, *statuses: int) -> None:
    """Expect a problem document with one of `statuses`."""
    head, body = await running.ask(request())
    status = int(head.split(b" ")[1])
    assert status in statuses
    assert fields(head)["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert b"127.0.0.1" not in body


async def test_a_gateway_that_goes_away(plane: Plane) -> None:
    async with AsyncExitStack() as stack:
        # It has to have been there once, or else it has not opted in.
        gateway = await stack.enter_async_context(gateway_running())
        async with plane.running(gateway.config(Limits(connect_seconds=1.0))) as running:
            assert (await running.ask(request()))[1] == b"answer"
            await stack.aclose()
            await refused(running, *map(int, outcome("unreachable", plane.name).split(" or ")))


async def test_a_gateway_that_closes_without_an_answer_is_502_and_asked_once(
    gateway: Gateway, plane: Plane
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        raise ConnectionAbortedError

    async with plane.running(gateway.config()) as running:
        await running.ask(request())  # The next one goes over a connection that is kept.
        gateway.answer = answer
        await refused(running, 502)
    assert len(gateway.heads) == 2


async def test_a_gateway_that_speaks_something_else(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(b"SSH-2.0-gateway\r\n\r\n")
        raise ConnectionAbortedError

    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        if outcome("no HTTP", plane.name) == "502":
            await refused(running, 502)
        else:
            async with connection(running.port) as (reader, writer):
                writer.write(request())
                assert await reader.readline() == b"SSH-2.0-gateway\r\n"
    assert len(gateway.heads) == 1


async def test_a_silent_gateway_is_504_and_asked_once(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    gateway.answer = answer
    async with plane.running(gateway.config(Limits(gateway_piece_seconds=0.3))) as running:
        await refused(running, 504)
    assert len(gateway.heads) == 1


async def test_an_exchange_that_lasts(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        await asyncio.sleep(0.5)
        writer.write(ANSWER)

    gateway.answer = answer
    async with plane.running(gateway.config(Limits(exchange_seconds=0.2))) as running:
        if outcome("long exchange", plane.name) == "504":
            await refused(running, 504)
        else:
            assert (await running.ask(request()))[1] == b"answer"


async def test_no_more_exchanges_than_there_are_connections(gateway: Gateway, plane: Plane) -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway.bodies.append(await read_body(reader, head))
        begun.set()
        await go_on.wait()
        writer.write(ANSWER)

    gateway.answer = answer
    config = gateway.config(Limits(connections=1, connect_seconds=0.3))
    async with plane.running(config) as running, connection(running.port) as (reader, writer):
        writer.write(request())
        await begun.wait()
        assert outcome("full", plane.name).startswith("503 ")
        await refused(running, 503)
        assert len(gateway.bodies) == 1
        go_on.set()
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")
        # There is room as soon as it has counted the first one out, which is not for the client to see.
        while (await running.ask(request()))[1] != b"answer":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_whoever_waits_for_a_connection_gets_it(gateway: Gateway, plane: Plane) -> None:
    if outcome("full", plane.name).endswith("at once"):
        return
    begun = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        begun.set()
        await asyncio.sleep(0.1)
        writer.write(ANSWER)

    gateway.answer = answer
    config = gateway.config(Limits(connections=1, connect_seconds=5.0))
    async with plane.running(config) as running:
        answers = await asyncio.gather(*(running.ask(request()) for _ in range(2)))
    assert [body for _, body in answers] == [b"answer"] * 2


async def test_a_client_that_closes_its_sending_side_has_gone_away(gateway: Gateway, plane: Plane) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        arrived.set()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        closed.set()

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(request())
        await arrived.wait()
        writer.write_eof()
        assert not (await reader.read()).startswith(b"HTTP/1.1 2")
        await closed.wait()


@pytest.mark.parametrize("during", ["request", "wait", "answer"])
async def test_a_client_that_goes_away_frees_the_gateway(gateway: Gateway, plane: Plane, during: str) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()
    start = b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nContent-Length: 100000000\r\n\r\n"

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if during == "request":
            await reader.read(1)
            arrived.set()
            with suppress(ConnectionError):
                await reader.read()
        else:
            await read_body(reader, head)
            if during == "answer":
                writer.write(start)
            arrived.set()
            with suppress(ConnectionError):
                assert await reader.read() == b""
        closed.set()

    gateway.answer = answer
    config = gateway.config(Limits(gateway_piece_seconds=2.0, piece_seconds=2.0))
    data = request(b"sealed", extra="Incremental: ?1\r\n")
    async with plane.running(config) as running:
        async with connection(running.port) as (reader, writer):
            writer.write(data[:-3] if during == "request" else data)
            await arrived.wait()
            if during == "answer":
                await read_head(reader)
        await closed.wait()
