"""What no data plane lets through to a gateway (RFC 9458, section 5.2), and how it says so."""

import json

import pytest
from support.differences import outcome
from support.planes import Plane, Running
from support.raw_http import connection, fields, read_body, read_head
from support.relays import CHUNKED, Gateway, request

from relay.config import Limits


async def refused(running: Running, data: bytes, status: int) -> dict[str, str]:
    """Expect a problem document, and return the header fields that it came with."""
    head, body = await running.ask(data)
    named = fields(head)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert named["content-type"] == "application/problem+json"
    assert named["cache-control"] == "no-store"
    assert json.loads(body)["status"] == status
    assert not {"server", "via", "x-powered-by", "set-cookie", "etag"} & set(named)
    return named


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"OPTIONS", b"HEAD", b"PATCH"])
async def test_another_method_is_405_with_allow(gateway: Gateway, plane: Plane, method: bytes) -> None:
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(method + b" /one HTTP/1.1\r\nHost: relay.example\r\n\r\n")
        head = await read_head(reader)
    assert head.startswith(b"HTTP/1.1 405 ")
    assert fields(head)["allow"] == "POST"
    assert not gateway.heads


async def test_other_media_types_are_415(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running:
        for kind in ("text/plain", "message/ohttp-res", "message/bhttp", "message/ohttp-req,x", ""):
            await refused(running, request(kind=kind), 415)
    assert not gateway.heads


async def test_a_content_coding_is_415(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running:
        for coding in ("gzip", "0"):
            named = await refused(running, request(extra=f"Content-Encoding: {coding}\r\n"), 415)
            assert named["accept-encoding"] == "identity"
    assert not gateway.heads


async def test_a_second_content_type(gateway: Gateway, plane: Plane) -> None:
    extra = "Content-Type: message/ohttp-chunked-req; who=me\r\n"
    async with plane.running(gateway.config()) as running:
        head, _ = await running.ask(request(extra=extra))
    if outcome("second Content-Type", plane.name) == "refused":
        assert head.split(b" ")[1] in {b"400", b"415"}
        assert not gateway.heads
    else:
        assert fields(gateway.heads[0])["content-type"] == "message/ohttp-req"


@pytest.mark.parametrize("framing", ["Content-Length: 0\r\n", "Content-Length: 000\r\n", ""])
async def test_no_content_is_400(gateway: Gateway, plane: Plane, framing: str) -> None:
    head = f"POST /one HTTP/1.1\r\nHost: r\r\nContent-Type: message/ohttp-req\r\n{framing}\r\n"
    async with plane.running(gateway.config()) as running:
        await refused(running, head.encode(), 400)
    assert not gateway.heads


async def test_http_1_0_is_505_since_it_cannot_show_a_cut_answer(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        writer.write(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await reader.read()).split(b" ")[1] == b"505"
    assert not gateway.heads


async def test_early_data_is_425(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running:
        await refused(running, request(extra="Early-Data: 1\r\n"), 425)
    assert not gateway.heads


async def test_an_unknown_gateway_is_404(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running:
        for path in ("/two", "/one/", "/one/x", "/onex", "/ONE", "/-/404", "/one/keys/x", "//one", "/%6fne2"):
            await refused(running, request(path=path), 404)
    assert not gateway.heads


async def test_a_mirror_only_relay_takes_no_requests(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config(mirror_only=True)) as running:
        await refused(running, request(), 404)
    assert not gateway.heads


async def test_no_proxy_for_anything_else(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running:
        for target in (f"http://127.0.0.1:{gateway.port}/other", "http://other.example/"):
            head, _ = await running.ask(request(path=target))
            assert head.split(b" ")[1] in {b"400", b"404", b"405"}
        async with connection(running.port) as (reader, writer):
            writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % gateway.port)
            assert (await read_head(reader)).split(b" ")[1] in {b"400", b"404", b"405"}
    assert not gateway.heads


async def test_a_length_over_the_limit_is_413_before_anything_is_read(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config(Limits(request_bytes=100))) as running:
        head = (
            b"POST /one HTTP/1.1\r\nHost: r\r\nContent-Type: message/ohttp-req\r\nContent-Length: 101\r\n\r\n"
        )
        await refused(running, head, 413)
        await running.ask(request(bytes(100)))
    assert len(gateway.heads) == 1


async def test_a_stream_over_the_limit(gateway: Gateway, plane: Plane) -> None:
    data = CHUNKED + b"64\r\n" + bytes(100) + b"\r\n1\r\nx\r\n0\r\n\r\n"
    async with plane.running(gateway.config(Limits(request_bytes=100))) as running:
        if outcome("long stream", plane.name) == "413":
            await refused(running, data, 413)
            assert not gateway.bodies, "the gateway must not take it for a whole request"
        else:
            await running.ask(data)
            assert len(gateway.bodies[0]) == 101


@pytest.mark.parametrize("framing", ["slow request", "slow stream"])
async def test_a_request_that_stops(gateway: Gateway, plane: Plane, framing: str) -> None:
    config = gateway.config(Limits(piece_seconds=0.2, gateway_piece_seconds=0.6))
    data = request(b"sealed")[:-1] if framing == "slow request" else CHUNKED + b"3\r\nsea\r\n"
    async with plane.running(config) as running, connection(running.port) as (reader, writer):
        writer.write(data)
        said = outcome(framing, plane.name)
        if said == "closed without an answer":
            assert await reader.read() == b""
        else:
            head = await read_head(reader)
            assert head.split(b" ")[1] == said[:3].encode()
            assert json.loads(await read_body(reader, head))["status"] == int(said[:3])
    assert not gateway.bodies


async def test_a_gateway_that_takes_nothing_as_it_comes(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config(incremental="refuse")) as running:
        for data in (request(kind="message/ohttp-chunked-req"), request(extra="Incremental: ?1\r\n")):
            named = await refused(running, data, 501)
            assert named["proxy-status"] == "tacita-relay; error=incremental_refused"
        assert (await running.ask(request()))[1] == b"answer"
    assert len(gateway.heads) == 1
