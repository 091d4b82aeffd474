"""Connections that go over to aiohttp: first or later, with all bytes, over TLS too."""

import asyncio
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import LOOPBACK, Authority
from support.lanes import Echo, plain, port, post
from support.raw_http import connection, fields, read_body, read_head

from tacita.net import tls
from tacita.net.message import Request

HELLO = b"GET /hello HTTP/1.1\r\nHost: a.example\r\n\r\n"
LAST = post(b"last", extra="Connection: close\r\n")


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("together", [True, False])
async def test_another_path_or_method_goes_to_the_application_and_stays_there(
    before: int, together: bool
) -> None:
    echo = Echo()
    async with port({"/echo": echo.at_once}) as one:
        parts = [post(b"%d" % i) for i in range(before)] + [HELLO, post(b"then"), post(b"x", "/other"), LAST]
        answers = plain(await one.exchange(*([b"".join(parts)] if together else parts)))
    assert [status for status, _ in answers] == [200] * (before + 2) + [404, 200]
    assert answers[before] == (200, b"hello")
    assert echo.seen == [b"%d" % i for i in range(before)] + [b"then", b"last"]


async def test_a_head_in_pieces_is_handed_over_whole() -> None:
    async with port({"/echo": Echo().handle}) as one, connection(one.number) as (reader, writer):
        for at in range(len(HELLO)):
            writer.write(HELLO[at : at + 1])
            await asyncio.sleep(0)
        head = await read_head(reader)
        assert await read_body(reader, head) == b"hello"


async def test_content_of_a_request_that_is_handed_over_arrives_while_it_is_sent() -> None:
    echo = Echo()
    async with port({"/echo": echo.handle}) as one, connection(one.number) as (reader, writer):
        data = post(b"expected", extra="Expect: 100-continue\r\n")
        writer.write(data[:-8])
        assert (await read_head(reader)).startswith(b"HTTP/1.1 100 ")
        writer.write(data[-8:])
        head = await read_head(reader)
        assert await read_body(reader, head) == b"expected"


@pytest.mark.parametrize(
    "data",
    [
        b"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nlast",
        post(b"last", extra="Upgrade: h2c\r\nConnection: upgrade, close\r\n"),
    ],
)
async def test_what_the_lane_does_not_speak_is_served_by_the_same_handler(data: bytes) -> None:
    versions: list[tuple[int, int]] = []
    echo = Echo()

    async def handle(request: Request) -> None:
        versions.append(request.version)
        await echo.handle(request)

    async with port({"/echo": handle}) as one, connection(one.number) as (reader, writer):
        writer.write(data)
        head = await read_head(reader)
        assert b" 200 " in head
        assert await read_body(reader, head) == b"last"
    assert versions == [(1, 0) if b"HTTP/1.0" in data else (1, 1)]


async def test_pipelined_requests_behind_one_that_waits_are_handed_over_in_order() -> None:
    go_on = asyncio.Event()

    async def handle(request: Request) -> None:
        await go_on.wait()
        await request.answer(200, (), await request.read())

    async with port({"/echo": handle}) as one, connection(one.number) as (reader, writer):
        writer.write(post(b"first") + HELLO)
        await asyncio.sleep(0.05)
        writer.write(HELLO)
        go_on.set()
        bodies = []
        for _ in range(3):
            head = await read_head(reader)
            bodies.append(await read_body(reader, head))
    assert bodies == [b"first", b"hello", b"hello"]


async def test_over_tls_the_same_and_the_peers_certificate_is_shown(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = tls.server_context(
        *authority.issue("server", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH),
        authority.certificate,
    )
    client = tls.client_context(authority.certificate)
    client.load_cert_chain(*authority.issue("client"))
    seen: list[bytes | None] = []

    async def handle(request: Request) -> None:
        seen.append(request.certificate())
        content = b""
        while piece := await request.read():
            content += piece
        await request.answer(200, (), content)

    big = bytes(range(256)) * 4096
    async with port({"/echo": handle}, context=server) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.number, ssl=client)
        for data, body in (
            (post(big), big),
            (post(b""), b""),
            (HELLO, b"hello"),
            (post(big), big),
            (post(b"x", extra="Connection: close\r\n"), b"x"),
        ):
            writer.write(data)
            head = await read_head(reader)
            assert await read_body(reader, head) == body
        assert fields(head)["connection"] == "close"
        assert await reader.read() == b""
        writer.close()
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert isinstance(seen[0], bytes)


async def test_over_tls_a_refusal_arrives_and_ends_the_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = tls.server_context(
        *authority.issue("server", alternative=[LOOPBACK], usage=ExtendedKeyUsageOID.SERVER_AUTH)
    )
    client = tls.client_context(authority.certificate)
    async with port({"/echo": Echo().handle}, context=server) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.number, ssl=client)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + LAST)
        head = await read_head(reader)
        assert head.startswith(b"HTTP/1.1 400 ")
        await read_body(reader, head)
        writer.write(LAST)
        writer.close()
