"""Exchanges without a task: the second on a connection, when the one to the gateway is there and free."""

import asyncio
import json

import pytest
from support.raw_http import connection, fields, read_body, read_chunk, read_head
from support.relays import ANSWER, Answer, Gateway, Relay, relay_running, request

from relay.config import Limits


async def warm(gateway: Gateway, relay: Relay, answer: Answer) -> None:
    """Open a connection to the gateway, whose further requests get `answer`."""
    gateway.answer = None
    await relay.ask(request())
    gateway.answer = answer


def saying(*parts: bytes, close: bool = False) -> Answer:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        if close:
            raise ConnectionAbortedError

    return answer


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (ANSWER,),
        (ANSWER[:20], ANSWER[20:]),
        (ANSWER[:-1], ANSWER[-1:]),
        (CHUNKED + b"6\r\nanswer\r\n0\r\n\r\n",),
        (CHUNKED, b"6\r\nans", b"wer\r\n0\r\n\r\n"),
    ],
)
async def test_an_answer_comes_back_whole_however_it_arrives(gateway: Gateway, parts: tuple[bytes]) -> None:
    async with relay_running(gateway.config()) as relay:
        await warm(gateway, relay, saying(*parts))
        async with connection(relay.port) as (reader, writer):
            for _ in range(3):
                writer.write(request())
                head = await read_head(reader)
                assert await read_body(reader, head) == b"answer"
                assert ("content-length" in fields(head)) == (CHUNKED not in parts[0])
        assert relay.counted("answered") == 4
    assert len(set(gateway.heads)) == 1, "the gateway cannot tell which way a request went"


async def test_the_bytes_that_go_out_are_those_of_the_other_way(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        for extra in ("", "Incremental: ?1\r\n", "Cookie: id=7\r\nIncremental: ?0\r\n"):
            for size in (6, 5000, 100_000):
                await relay.ask(request(bytes(size), extra=extra))
                await relay.ask(request(bytes(size), extra=extra))
    assert gateway.heads[0::2] == gateway.heads[1::2]
    assert gateway.bodies[0::2] == gateway.bodies[1::2]


@pytest.mark.parametrize(
    ("answer", "status", "result"),
    [
        (saying(b"HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\n{}"), 422, "gateway_refused"),
        (saying(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"), 503, "gateway_failed"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), 502, "not_encapsulated"),
        (saying(ANSWER.replace(b": 6", b": 99") + bytes(93)), 502, "answer_too_long"),
        (saying(close=True), 502, "lost"),
        (saying(b"nonsense\r\n\r\n"), 502, "lost"),
        (saying(), 504, "timeout"),
    ],
)
async def test_what_fails_is_answered_and_counted_and_the_next_one_works(
    gateway: Gateway, answer: Answer, status: int, result: str
) -> None:
    limits = Limits(response_bytes=90, gateway_piece_seconds=0.2)
    async with relay_running(gateway.config(limits)) as relay:
        await warm(gateway, relay, answer)
        head, body = await relay.ask(request())
        assert head.split(b" ")[1] == b"%d" % status
        assert body == b"{}" or json.loads(body)["status"] == status
        assert relay.counted(result) == 1
        gateway.answer = None
        assert (await relay.ask(request()))[1] == b"answer"
        assert relay.counted("defect") == 0


async def test_a_cut_answer_is_seen_as_cut(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        await warm(gateway, relay, saying(ANSWER[:-1], close=True))
        with pytest.raises(asyncio.IncompleteReadError):
            await relay.ask(request())
        assert relay.counted("lost") == 1


@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_goes_away_closes_the_leg_to_the_gateway(gateway: Gateway, begun: bool) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        if begun:
            writer.write(CHUNKED + b"5\r\nfirst\r\n")
        arrived.set()
        assert await reader.read() == b""
        closed.set()

    async with relay_running(gateway.config()) as relay:
        await warm(gateway, relay, answer)
        async with connection(relay.port) as (reader, writer):
            writer.write(request())
            await arrived.wait()
            if begun:
                await read_head(reader)
                assert await read_chunk(reader) == b"first"
        await closed.wait()
        await relay.until("client_gone")
        assert relay.counted("defect") == 0


@pytest.mark.parametrize(
    ("connections", "spare", "least", "most"), [(512, 5, 5, 6), (4, 16, 4, 4), (512, 0, 1, 1)]
)
async def test_there_are_connections_to_choose_from(
    gateway: Gateway, connections: int, spare: int, least: int, most: int
) -> None:
    open_now = 0
    serve = gateway.handle

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            await serve(reader, writer)
        finally:
            open_now -= 1

    gateway.handle = handle  # type: ignore[method-assign]
    limits = Limits(connections=connections, spare_connections=spare)
    async with relay_running(gateway.config(limits)) as relay:
        documents = open_now
        for _ in range(20):
            assert (await relay.ask(request()))[1] == b"answer"
        await asyncio.sleep(0.1)
        assert least <= open_now - documents <= most
