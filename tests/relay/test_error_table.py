"""The relay's cells of the table of errors (RFC 9458, 5.2): all of them in the clear, by both ways in."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from support import raw_http
from support.raw_http import fields
from support.relays import Gateway, gateway_running, relay_running, request
from support.ways import WAYS, ask

from relay.config import Limits, RelayConfig

PROBLEM = b'{"type":"https://iana.org/assignments/http-problem-types#ohttp-key","title":"x","status":422}'


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Return the way in."""
    return str(request.param)


@pytest.fixture(params=["message/ohttp-req", "message/ohttp-chunked-req"], ids=["one-shot", "chunked"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the form of the message, by its media type."""
    return str(request.param)


async def refused(config: RelayConfig, way: str, data: bytes, status: int, result: str) -> dict[str, str]:
    """Expect a problem document from a relay of its own, counted under `result`; return its header fields."""
    async with relay_running(config) as relay:
        head, body = await ask(relay.port, way, data)
        assert not result or relay.counted(result) == 1
    named = fields(head)
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert named["content-type"] == "application/problem+json"
    assert named["cache-control"] == "no-store"
    assert "server" not in named
    assert json.loads(body)["status"] == status
    return named


def answers(gateway: Gateway, answer: bytes) -> None:
    """Have the gateway answer every message with these bytes, and close the connection behind them."""

    async def say(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway.bodies.append(await raw_http.read_body(reader, head))
        writer.write(answer)
        await writer.drain()
        raise ConnectionAbortedError

    gateway.answer = say


# What the relay will not forward


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
async def test_another_method_is_405_with_allow(gateway: Gateway, way: str, method: bytes) -> None:
    data = request().replace(b"POST ", method + b" ", 1)
    named = await refused(gateway.config(), way, data, 405, "")
    assert named["allow"] == "POST"
    assert not gateway.heads


async def test_another_media_type_is_415(gateway: Gateway, way: str) -> None:
    await refused(gateway.config(), way, request(kind="message/ohttp-res"), 415, "media_type")
    assert not gateway.heads


async def test_a_message_that_is_too_long_is_413_before_it_has_come(
    gateway: Gateway, way: str, kind: str
) -> None:
    whole = request(bytes(101), kind)
    data = whole[: whole.index(b"\r\n\r\n") + 4]
    await refused(gateway.config(Limits(request_bytes=100)), way, data, 413, "too_long")
    assert not gateway.heads


async def test_a_message_that_is_too_slow_is_408(gateway: Gateway, way: str, kind: str) -> None:
    data = request(b"sealed", kind)[:-1]
    await refused(gateway.config(Limits(piece_seconds=0.1)), way, data, 408, "too_slow")
    assert not gateway.bodies


@pytest.mark.parametrize("path", ["/two", "/one/", "/one/x", "//one"])
async def test_a_gateway_that_is_not_there_is_404(gateway: Gateway, way: str, path: str) -> None:
    await refused(gateway.config(), way, request(path=path), 404, "")
    assert not gateway.heads


async def test_what_is_to_be_passed_on_as_it_comes_is_501_where_it_is_not(gateway: Gateway, way: str) -> None:
    config = gateway.config(incremental="refuse")
    for data in (request(kind="message/ohttp-chunked-req"), request(extra="Incremental: ?1\r\n")):
        named = await refused(config, way, data, 501, "incremental_refused")
        assert named["proxy-status"].endswith("error=incremental_refused")
    assert not gateway.heads


# What the gateway does


async def test_a_gateway_that_cannot_be_reached_is_502(way: str, kind: str) -> None:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(gateway_running())
        async with relay_running(gateway.config()) as relay:
            await stack.aclose()
            head, _ = await ask(relay.port, way, request(kind=kind))
            assert relay.counted("unreachable") == 1
    assert head.startswith(b"HTTP/1.1 502 ")
    assert fields(head)["content-type"] == "application/problem+json"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-gateway\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_a_gateway_that_breaks_off_is_502_and_asked_once(
    gateway: Gateway, way: str, kind: str, answer: bytes
) -> None:
    answers(gateway, answer)
    await refused(gateway.config(), way, request(kind=kind), 502, "lost")
    assert len(gateway.bodies) == 1, "a relay never retries"


@pytest.mark.parametrize("limits", [{"gateway_piece_seconds": 0.1}, {"exchange_seconds": 0.1}])
async def test_a_gateway_that_is_slow_is_504(
    gateway: Gateway, way: str, kind: str, limits: dict[str, Any]
) -> None:
    async def say(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_body(reader, head)
        await reader.read()

    gateway.answer = say
    await refused(gateway.config(Limits(**limits)), way, request(kind=kind), 504, "")
    assert len(gateway.heads) == 1


@pytest.mark.parametrize("page", [b"text/html", b"message/bhttp", b"application/problem+json"])
async def test_another_success_than_an_encapsulated_answer_is_502(
    gateway: Gateway, way: str, kind: str, page: bytes
) -> None:
    answers(gateway, b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: 2\r\n\r\nhi" % page)
    await refused(gateway.config(), way, request(kind=kind), 502, "not_encapsulated")


@pytest.mark.parametrize("status", [400, 401, 413, 422, 503])
async def test_a_refusal_of_the_gateway_passes_without_what_marks_a_client(
    gateway: Gateway, way: str, kind: str, status: int
) -> None:
    answers(
        gateway,
        b"HTTP/1.1 %d Said\r\nContent-Type: application/problem+json\r\nSet-Cookie: a=b\r\nServer: x\r\n"
        b"Retry-After: 7\r\nETag: x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(PROBLEM), PROBLEM),
    )
    async with relay_running(gateway.config()) as relay:
        head, body = await ask(relay.port, way, request(kind=kind))
    assert (head.split(b" ")[1], body) == (b"%d" % status, PROBLEM)
    assert set(fields(head)) <= {"content-type", "content-length", "cache-control", "date", "connection"}
