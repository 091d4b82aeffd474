"""What crosses a data plane beside the content, as the bytes on both sides (RFC 9458, section 6.2)."""

import asyncio

import pytest
from support.differences import outcome
from support.planes import Plane
from support.raw_http import connection, fields, read_body, read_chunk, read_head
from support.relays import ANSWER, Gateway, request

CHATTER = (
    "User-Agent: me/1.0\r\nCookie: id=7\r\nAuthorization: Bearer mine\r\nForwarded: for=192.0.2.1\r\n"
    "X-Forwarded-For: 192.0.2.1\r\nX-Real-Ip: 192.0.2.1\r\nVia: 1.1 mine\r\nAccept: */*\r\n"
    "Accept-Language: rm\r\nAccept-Encoding: gzip\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\n"
    "Traceparent: 00-ab-cd-01\r\nX-Request-Id: 12\r\nPriority: u=1\r\nIf-None-Match: *\r\n"
    "Origin: https://a.example\r\nProxy-Authorization: Basic bWU6bWU=\r\nProxy-Connection: close\r\n"
    "TE: trailers\r\nKeep-Alive: timeout=7\r\nUpgrade-Insecure-Requests: 1\r\nIncremental: ?0\r\n"
)


def said(gateway: Gateway) -> list[tuple[bytes, dict[str, str]]]:
    """Return request line and fields of what the gateway got, without how the connection is kept."""
    heads = []
    for head in gateway.heads:
        named = fields(head)
        assert named.pop("connection", "keep-alive") == "keep-alive"
        heads.append((head.split(b"\r\n")[0], named))
    return heads


async def test_the_gateway_sees_this_of_a_one_shot_request_and_no_more(
    gateway: Gateway, plane: Plane
) -> None:
    async with plane.running(gateway.config()) as running:
        await running.ask(request(b"sealed", "Message/OHTTP-req; who=me", CHATTER, path="/one?who=me"))
    assert said(gateway) == [
        (
            b"POST /message HTTP/1.1",
            {
                "host": f"127.0.0.1:{gateway.port}",
                "content-type": "message/ohttp-req",
                "content-length": "6",
            },
        )
    ]
    assert gateway.bodies == [b"sealed"]


async def test_the_gateway_sees_this_of_a_chunked_request_and_no_more(gateway: Gateway, plane: Plane) -> None:
    gateway.answer = chunked_answer
    async with plane.running(gateway.config()) as running:
        head, body = await running.ask(
            b"POST /one HTTP/1.1\r\nHost: relay.example\r\nContent-Type: message/ohttp-chunked-req\r\n"
            + CHATTER.encode()
            + b"Transfer-Encoding: chunked\r\n\r\n3\r\nsea\r\n3;x=y\r\nled\r\n0\r\n\r\n"
        )
    ((line, named),) = said(gateway)
    in_chunks = outcome("whole stream", plane.name) == "goes on in chunks"
    framing = {"transfer-encoding": "chunked"} if in_chunks else {"content-length": "6"}
    assert line == b"POST /message HTTP/1.1"
    assert named == {
        "host": f"127.0.0.1:{gateway.port}",
        "content-type": "message/ohttp-chunked-req",
        "incremental": "?1",
        **framing,
    }
    assert (fields(head)["content-type"], fields(head)["incremental"], body) == (
        "message/ohttp-chunked-res",
        "?1",
        b"ok",
    )


async def chunked_answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_body(reader, head)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nIncremental: ?1\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )


async def test_trailers_of_a_request(gateway: Gateway, plane: Plane) -> None:
    arrived = asyncio.Event()
    trailers = b""

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal trailers
        assert await read_chunk(reader) == b"sealed"
        arrived.set()
        assert await reader.readline() == b"0\r\n"
        while (line := await reader.readline()) != b"\r\n":
            trailers += line
        writer.write(b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n")

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(
            b"POST /one HTTP/1.1\r\nHost: r\r\nContent-Type: message/ohttp-chunked-req\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n6\r\nsealed\r\n"
        )
        await arrived.wait()
        writer.write(b"0\r\nTrailing: me\r\n\r\n")
        assert (await read_head(reader)).startswith(b"HTTP/1.1 422 ")
    assert (trailers == b"") is (outcome("request trailers", plane.name) == "dropped")


async def test_a_one_shot_request_is_incremental_when_the_client_says_so(
    gateway: Gateway, plane: Plane
) -> None:
    async with plane.running(gateway.config()) as running:
        await running.ask(request(extra="Incremental: ?1;a=b\r\n"))
        await running.ask(request(extra="Incremental: ?10\r\n"))
    assert fields(gateway.heads[0])["incremental"] == "?1"
    assert "incremental" not in fields(gateway.heads[1])


async def test_two_clients_look_alike(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running:
        await running.ask(request())
        await running.ask(request(extra=CHATTER))
    assert gateway.heads[0] == gateway.heads[1]


async def test_clients_share_connections(gateway: Gateway, plane: Plane) -> None:
    peers = []

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername"))
        await read_body(reader, head)
        writer.write(ANSWER)

    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        for _ in range(48):
            await running.ask(request())
    assert len(peers) == 48
    # The relay keeps some to choose from; each process or thread of a server has a pool of its own.
    assert len(set(peers)) <= 24


async def test_the_client_sees_these_fields_of_an_answer_and_no_others(
    gateway: Gateway, plane: Plane
) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 200 Certainly\r\nServer: gw/1\r\nSet-Cookie: id=7\r\nSet-Cookie: id=8\r\n"
            b"Retry-After: 7\r\n"
            b"ETag: \"7\"\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nVia: 1.1 gw\r\nX-Id: 7\r\nAlt-Svc: h3\r\n"
            b"Cache-Control: max-age=7\r\nContent-Type: message/ohttp-res; id=7\r\nLink: </7>\r\n"
            b"Last-Modified: Tue, 01 Jan 2030 00:00:00 GMT\r\nExpires: 7\r\nAccept-Ranges: bytes\r\n"
            b"Content-Language: rm\r\nContent-Location: /7\r\nContent-Digest: sha-256=:7:\r\n"
            b"WWW-Authenticate: Basic\r\nX-Accel-Redirect: /-/500\r\nX-Accel-Limit-Rate: 1\r\n"
            b"X-Accel-Charset: seven\r\nAge: 7\r\nP3P: 7\r\n_id: 7\r\nX_Id: 7\r\n7-up: 7\r\n"
            b"Incremental: 7\r\nContent-Encoding: id7\r\nContent-Length: 6\r\n\r\nanswer"
        )  # fmt: skip

    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        head, body = await running.ask(request())
    assert body == b"answer"
    assert head.startswith(b"HTTP/1.1 200 ")
    passes = b"Certainly" in head.split(b"\r\n")[0]
    assert passes is (outcome("reason phrase", plane.name) == "pass")
    named = fields(head)
    assert named.pop("date", "") != "Tue, 01 Jan 2030 00:00:00 GMT"
    assert named.pop("connection", "keep-alive") == "keep-alive"
    assert named == {
        "content-type": "message/ohttp-res",
        "content-length": "6",
        "content-encoding": "id7",
        "cache-control": "no-store",
    }


@pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 422, 429, 500, 502, 503, 504])
async def test_an_error_of_the_gateway_passes_with_its_body(
    gateway: Gateway, plane: Plane, status: int
) -> None:
    problem = b'{"type": "https://iana.org/assignments/http-problem-types#ohttp-key"}'

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 %d Hm\r\nContent-Type: application/problem+json\r\nSet-Cookie: a=b\r\n"
            b"Retry-After: 9\r\nWWW-Authenticate: PrivateToken challenge=7\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (status, len(problem), problem)
        )

    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        head, body = await running.ask(request())
    assert (head.split(b" ")[1], body) == (b"%d" % status, problem)
    assert fields(head)["content-type"] == "application/problem+json"
    assert set(fields(head)) - {"connection", "date"} == {"content-type", "content-length", "cache-control"}


@pytest.mark.parametrize(
    "start",
    [
        b"200 OK\r\nContent-Type: text/html",
        b"200 OK\r\nContent-Type: message/ohttp-chunked-res",
        b"206 Partial Content\r\nContent-Type: message/ohttp-res",
        b"302 Found\r\nLocation: https://elsewhere.example/",
    ],
)
async def test_an_answer_that_is_none(gateway: Gateway, plane: Plane, start: bytes) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(b"HTTP/1.1 " + start + b"\r\nContent-Length: 2\r\n\r\nno")

    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        head, _ = await running.ask(request())
    if outcome("wrong answer", plane.name) == "502":
        assert head.startswith(b"HTTP/1.1 502 ")
    else:
        assert fields(head)["content-type"] == "application/octet-stream"
    assert "location" not in fields(head)
    assert len(gateway.heads) == 1


async def test_early_hints(gateway: Gateway, plane: Plane) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        writer.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: </7>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nContent-Length: 6\r\n\r\nanswer"
        )

    gateway.answer = answer
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(request())
        head = await read_head(reader)
    passes = head.startswith(b"HTTP/1.1 103 ")
    assert passes is (outcome("early hints", plane.name) != "dropped")
