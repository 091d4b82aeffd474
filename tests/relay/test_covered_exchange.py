"""What cover does on a real relay: to whole messages, to streams, to those who go away."""

import asyncio

import msgspec
import pytest
from support.raw_http import connection, fields, read_body, read_chunk, read_head
from support.relays import ANSWER, Gateway, relay_running, request

from relay.config import CoverConfig, Limits, RelayConfig
from relay.cover import HELD

CHUNKED = (
    b"POST /one HTTP/1.1\r\nHost: relay.example\r\nContent-Type: message/ohttp-chunked-req\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
CHUNKED_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def covered(gateway: Gateway, limits: Limits | None = None, **cover: object) -> RelayConfig:
    """Return the configuration of a relay that covers; without more, of one whose groups are of two."""
    config = gateway.config(limits)
    table = {"policy": "batch", "group": 2, "seconds": 60.0, **cover}
    return msgspec.structs.replace(
        config,
        gateways=(msgspec.structs.replace(config.gateways[0], cover=msgspec.convert(table, CoverConfig)),),
    )


async def test_a_request_waits_for_another(gateway: Gateway) -> None:
    async with relay_running(covered(gateway)) as relay:
        first = asyncio.create_task(relay.ask(request(b"first")))
        await asyncio.sleep(0.1)
        assert not gateway.heads
        (head, body), other = await asyncio.gather(first, relay.ask(request(b"other")))
        assert (head, body) == other
        assert body == b"answer"
        assert relay.counted("answered") == 2
    assert sorted(gateway.bodies) == [b"first", b"other"]


async def test_an_answer_waits_for_another(gateway: Gateway) -> None:
    late = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await read_body(reader, head) == b"late":
            await late.wait()
        writer.write(ANSWER)

    gateway.answer = answer
    async with relay_running(covered(gateway)) as relay:
        early = asyncio.create_task(relay.ask(request(b"early")))
        other = asyncio.create_task(relay.ask(request(b"late")))
        done, _ = await asyncio.wait([early, other], timeout=0.2)
        assert not done
        assert len(gateway.heads) == 2
        late.set()
        assert (await early)[1] == (await other)[1] == b"answer"


async def test_one_alone_goes_on_when_its_time_is_up(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()
    async with relay_running(covered(gateway, seconds=0.1)) as relay:
        begun = loop.time()
        assert (await relay.ask(request()))[1] == b"answer"
        # On the way back it is a group of one, too, and complete.
        assert loop.time() - begun > 0.09


async def test_jitter_delays_and_mixes(gateway: Gateway) -> None:
    async with relay_running(covered(gateway, policy="jitter", seconds=0.3)) as relay:
        sent = [b"%02d" % number for number in range(30)]
        answers = await asyncio.gather(*(relay.ask(request(body)) for body in sent))
    assert {body for _, body in answers} == {b"answer"}
    assert sorted(gateway.bodies) == sent
    assert gateway.bodies != sent


async def test_a_request_that_comes_in_pieces_waits_whole(gateway: Gateway) -> None:
    async with relay_running(covered(gateway)) as relay, connection(relay.port) as (reader, writer):
        writer.write(request(b"in pieces")[:-6])
        await asyncio.sleep(0.1)
        other = asyncio.create_task(relay.ask(request(b"other")))
        await asyncio.sleep(0.1)
        assert not gateway.heads, "half a message is no member of a group"
        writer.write(b"pieces")
        assert await read_body(reader, await read_head(reader)) == b"answer"
        await other
    assert sorted(gateway.bodies) == [b"in pieces", b"other"]


async def test_a_one_shot_answer_waits_whole(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        for start in range(0, len(ANSWER), 20):
            writer.write(ANSWER[start : start + 20])
            await writer.drain()
            await asyncio.sleep(0.01)

    gateway.answer = answer
    async with relay_running(covered(gateway)) as relay:
        for _, body in await asyncio.gather(relay.ask(request()), relay.ask(request())):
            assert body == b"answer"


@pytest.mark.parametrize("size", [HELD - 1, HELD, 5 * HELD])
async def test_long_messages_arrive_unchanged(gateway: Gateway, size: int) -> None:
    sent = bytes(range(256)) * (size // 256) + bytes(size % 256)

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    gateway.answer = answer
    async with relay_running(covered(gateway)) as relay:
        answers = await asyncio.gather(relay.ask(request(sent)), relay.ask(request(sent)))
    assert [body for _, body in answers] == [sent, sent]


async def test_how_a_client_frames_what_it_sends_does_not_show(gateway: Gateway) -> None:
    chunked = request(b"").replace(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n")
    async with relay_running(covered(gateway, seconds=0.01)) as relay:
        _, body = await relay.ask(chunked + b"3\r\nsea\r\n3\r\nled\r\n0\r\n\r\n")
    assert body == b"answer"
    assert gateway.bodies == [b"sealed"]
    assert fields(gateway.heads[0])["content-length"] == "6"


async def test_of_a_stream_the_first_piece_waits_and_the_others_pass(gateway: Gateway) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for expected in (b"first", b"other", b""):
            assert await read_chunk(reader) == expected
        for part in (CHUNKED_ANSWER + b"5\r\nfirst\r\n", b"5\r\nother\r\n", b"0\r\n\r\n"):
            writer.write(part)
            await go_on.wait()
            go_on.clear()

    gateway.answer = answer
    async with relay_running(covered(gateway, seconds=0.1)) as relay:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with connection(relay.port) as (reader, writer):
            writer.write(CHUNKED + b"5\r\nfirst\r\n")
            while not gateway.heads:  # noqa: ASYNC110 - it has come through before the request has ended
                await asyncio.sleep(0.01)
            assert loop.time() - begun > 0.09
            writer.write(b"5\r\nother\r\n0\r\n\r\n")
            await read_head(reader)
            for piece in (b"first", b"other", b""):
                assert await read_chunk(reader) == piece  # Only then does the gateway send the next.
                go_on.set()


async def test_a_client_that_goes_away_leaves_its_group(gateway: Gateway) -> None:
    async with relay_running(covered(gateway)) as relay:
        async with connection(relay.port) as (_, writer):
            writer.write(request(b"gone"))
            await writer.drain()
            await asyncio.sleep(0.1)
        await relay.until("client_gone")
        stays = asyncio.create_task(relay.ask(request(b"stays")))
        await asyncio.sleep(0.1)
        assert not gateway.heads
        await asyncio.gather(stays, relay.ask(request(b"other")))
    assert sorted(gateway.bodies) == [b"other", b"stays"]


@pytest.mark.parametrize("early", ["gone", "failed"])
async def test_an_exchange_that_ends_while_the_other_is_under_way(gateway: Gateway, early: str) -> None:
    late, seen = asyncio.Event(), asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await read_body(reader, head)
        if body == b"late":
            await late.wait()
        elif early == "failed":
            seen.set()
            raise ConnectionAbortedError
        writer.write(ANSWER)
        seen.set()

    gateway.answer = answer
    async with relay_running(covered(gateway)) as relay:
        other = asyncio.create_task(relay.ask(request(b"late")))
        async with connection(relay.port) as (reader, writer):
            writer.write(request(b"early"))
            await seen.wait()
            if early == "failed":
                # When it failed is not to be told by when it is said.
                head = asyncio.create_task(read_head(reader))
                done, _ = await asyncio.wait([head], timeout=0.1)
                assert not done
                late.set()
                assert (await head).startswith(b"HTTP/1.1 502 ")
        if early == "gone":
            await relay.until("client_gone")
            late.set()
        assert (await other)[1] == b"answer"


async def test_the_gateways_refusal_comes_back(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 422 No\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
        )

    gateway.answer = answer
    async with relay_running(covered(gateway, seconds=0.01)) as relay:
        head, body = await relay.ask(request())
        assert head.startswith(b"HTTP/1.1 422 ")
        assert body == b"{}"
        assert relay.counted("gateway_refused") == 1


async def test_no_more_wait_than_are_held(gateway: Gateway) -> None:
    async with relay_running(covered(gateway, exchanges=2, group=2, policy="jitter")) as relay:
        waiting = [asyncio.create_task(relay.ask(request())) for _ in range(2)]
        await asyncio.sleep(0.1)
        head, _ = await relay.ask(request())
        assert head.startswith(b"HTTP/1.1 503 ")
        assert relay.counted("cover_full") == 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_bounds_hold_under_cover(gateway: Gateway) -> None:
    limits = Limits(request_bytes=100, response_bytes=5)
    async with relay_running(covered(gateway, limits, seconds=0.01)) as relay:
        assert (await relay.ask(request(bytes(101))))[0].startswith(b"HTTP/1.1 413 ")
        chunked = request(b"").replace(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n")
        head, _ = await relay.ask(chunked + b"65\r\n" + bytes(101) + b"\r\n0\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert not gateway.heads
        assert (await relay.ask(request()))[0].startswith(b"HTTP/1.1 502 ")
        assert relay.counted("answer_too_long") == 1
