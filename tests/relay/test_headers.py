"""What crosses the relay beside the content: the exact bytes on both sides (RFC 9458, section 6.2)."""

import asyncio
import json

import pytest
from support.raw_http import connection, fields, read_body, read_head
from support.relays import ANSWER, Gateway, relay_running, request

from relay.config import Limits

CHATTER = (
    "User-Agent: me/1.0\r\nCookie: id=7\r\nAuthorization: Bearer mine\r\nForwarded: for=192.0.2.1\r\n"
    "X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 mine\r\nAccept: */*\r\nAccept-Language: rm\r\n"
    "Accept-Encoding: gzip\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nTraceparent: 00-ab-cd-01\r\n"
    "X-Request-Id: 12\r\nPriority: u=1\r\nIf-None-Match: *\r\nOrigin: https://a.example\r\n"
    "Proxy-Authorization: Basic bWU6bWU=\r\nIncremental: ?0\r\n"
)


def host(gateway: Gateway) -> bytes:
    return b"Host: 127.0.0.1:%d\r\n" % gateway.port


async def test_the_gateway_sees_these_bytes_of_a_one_shot_request_and_no_others(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        await relay.ask(request(b"sealed", "Message/OHTTP-req; who=me", CHATTER, path="/one?who=me"))
    assert gateway.heads == [
        b"POST /message HTTP/1.1\r\n" + host(gateway) + b"Content-Type: message/ohttp-req\r\n"
        b"Content-Length: 6\r\n\r\n"
    ]
    assert gateway.bodies == [b"sealed"]


async def test_the_gateway_sees_these_bytes_of_a_chunked_request_and_no_others(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway.bodies.append(await read_body(reader, head))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nIncremental: ?1\r\n"
            b"Content-Length: 2\r\n\r\nok"
        )

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        head, body = await relay.ask(
            b"POST /one HTTP/1.1\r\nHost: relay.example\r\nContent-Type: message/ohttp-chunked-req\r\n"
            + CHATTER.encode()
            + b"Transfer-Encoding: chunked\r\n\r\n3\r\nsea\r\n3;x=y\r\nled\r\n0\r\nTrailing: me\r\n\r\n"
        )
    assert gateway.heads == [
        b"POST /message HTTP/1.1\r\n"
        + host(gateway)
        + b"Content-Type: message/ohttp-chunked-req\r\nIncremental: ?1\r\nTransfer-Encoding: chunked\r\n\r\n"
    ]
    assert gateway.bodies == [b"sealed"]
    assert (fields(head)["content-type"], fields(head)["incremental"], body) == (
        "message/ohttp-chunked-res",
        "?1",
        b"ok",
    )


async def test_a_one_shot_request_is_incremental_when_the_client_says_so(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        await relay.ask(request(extra="Incremental: ?1;a=b\r\n"))
    assert fields(gateway.heads[0])["incremental"] == "?1"


async def test_two_clients_look_alike(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        await relay.ask(request())
        await relay.ask(request(extra=CHATTER))
    assert gateway.heads[0] == gateway.heads[1]


async def test_the_client_sees_these_fields_of_an_answer_and_no_others(gateway: Gateway) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 200 Certainly\r\nServer: gw/1\r\nSet-Cookie: id=7\r\nSet-Cookie: id=8\r\n"
            b"Retry-After: 7\r\n"
            b"ETag: \"7\"\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nVia: 1.1 gw\r\nX-Id: 7\r\nAlt-Svc: h3\r\n"
            b"Cache-Control: max-age=7\r\nContent-Type: message/ohttp-res; id=7\r\nLink: </7>\r\n"
            b"Incremental: 7\r\nContent-Encoding: id7\r\nContent-Length: 6\r\n\r\nanswer"
        )  # fmt: skip

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        head, body = await relay.ask(request())
    assert body == b"answer"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    named = fields(head)
    assert named.pop("date") != "Tue, 01 Jan 2030 00:00:00 GMT"
    assert named == {
        "content-type": "message/ohttp-res",
        "content-length": "6",
        "content-encoding": "id7",
        "cache-control": "no-store",
    }


@pytest.mark.parametrize("status", [400, 422, 429, 503])
async def test_an_error_of_the_gateway_passes_with_its_body(gateway: Gateway, status: int) -> None:
    problem = b'{"type": "https://iana.org/assignments/http-problem-types#ohttp-key"}'

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 %d Hm\r\nContent-Type: application/problem+json\r\nSet-Cookie: a=b\r\n"
            b"Retry-After: 9\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (status, len(problem), problem)
        )

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        head, body = await relay.ask(request())
        assert relay.counted("gateway_refused" if status < 500 else "gateway_failed") == 1
    assert (head.split(b" ")[1], body) == (b"%d" % status, problem)
    assert set(fields(head)) == {"content-type", "content-length", "cache-control", "date"}
    assert fields(head)["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "start",
    [
        b"200 OK\r\nContent-Type: text/html",
        b"200 OK\r\nContent-Type: message/ohttp-chunked-res",
        b"204 No Content\r\nX: y",
        b"206 Partial Content\r\nContent-Type: message/ohttp-res",
        b"302 Found\r\nLocation: https://elsewhere.example/",
    ],
)
async def test_anything_else_is_a_failure_of_the_gateway(gateway: Gateway, start: bytes) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(b"HTTP/1.1 " + start + b"\r\nContent-Length: 0\r\n\r\n")

    gateway.answer = answer
    async with relay_running(gateway.config()) as relay:
        head, body = await relay.ask(request())
        assert relay.counted("not_encapsulated") == 1
    assert json.loads(body)["status"] == 502
    assert "location" not in fields(head)
    assert len(gateway.heads) == 1


async def test_one_connection_to_the_gateway_carries_many_clients(gateway: Gateway) -> None:
    # The gateway cannot tell clients apart by their connections.
    opened = 0
    serve = gateway.handle

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await serve(reader, writer)

    gateway.handle = handle  # type: ignore[method-assign]
    async with relay_running(gateway.config(Limits(spare_connections=0))) as relay:
        for _ in range(5):
            await relay.ask(request())
    assert len(gateway.heads) == 5
    assert opened <= 4, "three for the documents, one for the requests"


async def test_a_kept_connection_of_a_client_carries_further_requests(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        for _ in range(3):
            writer.write(request())
            head = await read_head(reader)
            assert await read_body(reader, head) == b"answer"


# What a front, or the gateway's policy, has to say


@pytest.mark.parametrize("value", ["1", "0", "", "1, 1", "yes"])
async def test_early_data_is_425(gateway: Gateway, value: str) -> None:
    async with relay_running(gateway.config()) as relay:
        head, body = await relay.ask(request(extra=f"Early-Data: {value}\r\n"))
        assert relay.counted("too_early") == 1
    assert head.startswith(b"HTTP/1.1 425 Too Early\r\n")
    assert json.loads(body)["status"] == 425
    assert not gateway.heads


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("message/ohttp-req", "Incremental: ?1\r\n"),
        ("message/ohttp-chunked-req", ""),
        ("message/ohttp-chunked-req", "Incremental: ?1\r\n"),
    ],
)
async def test_a_policy_may_refuse_incremental_requests(gateway: Gateway, kind: str, extra: str) -> None:
    async with relay_running(gateway.config(incremental="refuse")) as relay:
        head, _ = await relay.ask(request(kind=kind, extra=extra))
        assert relay.counted("incremental_refused") == 1
        assert not gateway.heads
        # Others pass, and are not marked.
        assert (await relay.ask(request(extra="Incremental: ?0\r\n")))[1] == b"answer"
    assert head.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert fields(head)["proxy-status"] == "tacita-relay; error=incremental_refused"
    assert "incremental" not in fields(gateway.heads[0])


# How a client cuts what it sends


def cut(data: bytes, *places: int) -> list[bytes]:
    return [data[start:end] for start, end in zip((0, *places), (*places, len(data)), strict=True)]


@pytest.mark.parametrize(
    "pieces",
    [
        cut(request(b"sealed")),
        cut(request(b"sealed"), 10, -6, -4, -1),
        cut(request(b"sealed").replace(b"Content-Length: 6", b"Transfer-Encoding: chunked"), -6),
    ],
)
async def test_a_short_one_shot_message_goes_on_in_one_way(gateway: Gateway, pieces: list[bytes]) -> None:
    got: list[bytes] = []

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(100))
        writer.write(ANSWER)

    if b"chunked" in pieces[0]:
        pieces[1:] = [b"2\r\nse\r\n", b"1\r\na\r\n3\r\nled\r\n0\r\n", b"\r\n"]
    gateway.answer = answer
    async with relay_running(gateway.config()) as relay, connection(relay.port) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02)
        head = await read_head(reader)
        assert await read_body(reader, head) == b"answer"
    assert got == [b"sealed"], "together, and with nothing around it"
    assert gateway.heads == [
        b"POST /message HTTP/1.1\r\n" + host(gateway) + b"Content-Type: message/ohttp-req\r\n"
        b"Content-Length: 6\r\n\r\n"
    ]


async def test_a_one_shot_message_in_no_chunk_is_400(gateway: Gateway) -> None:
    data = request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"
    async with relay_running(gateway.config()) as relay:
        head, _ = await relay.ask(data)
        assert head.startswith(b"HTTP/1.1 400 ")
        # A long one passes as it comes.
        long = request(bytes(200_000)).replace(b"Content-Length: 200000", b"Transfer-Encoding: chunked")
        long = long[:-200_000] + b"30d40\r\n" + bytes(200_000) + b"\r\n0\r\n\r\n"
        assert (await relay.ask(long))[1] == b"answer"
    assert gateway.bodies == [bytes(200_000)]
