"""The allow-list of origins, and what is really connected to."""

import asyncio
from pathlib import Path

import pytest
from support import raw_http
from support.gateways import ANSWER, Place, Target, gateway_running, get, token

from gateway import config
from gateway.errors import TargetNotAllowed
from gateway.targets import Route, Routes, open_routes
from tacita.bhttp import RequestHead
from tacita.net.upstream import Upstream


def routes() -> Routes:
    origins = ("https://a.example", "http://b.example:8080")
    return Routes(
        {
            origin.encode(): Route(config.Target(origin=origin), [Upstream(origin)], config.TokenBudget())
            for origin in origins
        }
    )


def find(scheme: bytes, authority: bytes) -> None:
    routes().find(RequestHead(b"GET", scheme, authority, b"/"))


@pytest.mark.parametrize(
    ("scheme", "authority"),
    [
        (b"https", b"a.example"),
        (b"HTTPS", b"A.EXAMPLE"),
        (b"https", b"a.example:443"),
        (b"http", b"b.example:8080"),
    ],
)
def test_listed_origins_are_found_in_each_spelling(scheme: bytes, authority: bytes) -> None:
    find(scheme, authority)


@pytest.mark.parametrize(
    ("scheme", "authority"),
    [
        (b"http", b"a.example"),
        (b"https", b"b.example:8080"),
        (b"https", b"a.example:80"),
        (b"https", b"a.example:443:443"),
        (b"https", b"a.example:"),
        (b"https", b"a.example."),
        (b"https", b"x.a.example"),
        (b"https", b"127.0.0.1"),
        (b"https", b"localhost"),
        (b"https", b"[::1]"),
        (b"https", b"169.254.169.254"),
        (b"https", b""),
        (b"coap", b"a.example"),
    ],
)
def test_any_other_origin_is_refused(scheme: bytes, authority: bytes) -> None:
    with pytest.raises(TargetNotAllowed):
        find(scheme, authority)


async def test_a_path_in_the_url_stands_before_the_requests_path(place: Place) -> None:
    more = f'[[targets]]\norigin = "https://deep.example"\nurl = "http://127.0.0.1:{place.target.port}/v1/"'
    async with gateway_running(place, targets=more) as gateway:
        await gateway.ask(get(token(), path=b"/a?b=c", authority=b"deep.example"))
    assert place.target.lines[:2] == ["GET /v1/a?b=c HTTP/1.1", "Host: deep.example"]


async def test_a_target_on_a_unix_socket_is_reached_in_plain_http(place: Place) -> None:
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await raw_http.read_head(reader))
        writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_unix_server(serve, place.folder / "target.sock")
    more = '[[targets]]\norigin = "https://near.example"\nunix = "target.sock"'
    async with server, gateway_running(place, targets=more) as gateway:
        response = await gateway.ask(get(token(), authority=b"near.example"))
    assert response.content == b"answer"
    assert heads == [b"GET / HTTP/1.1\r\nHost: near.example\r\n\r\n"]


async def test_a_target_is_reached_over_kept_connections(tmp_path: Path) -> None:
    target, connections = Target(), 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await target.handle(reader, writer)

    async with raw_http.serving(count) as port:
        one = config.Target(origin="https://a.example", url=f"http://127.0.0.1:{port}")
        async with open_routes([one], config.Limits(), config.TokenBudget()) as opened:
            backends = opened.find(RequestHead(b"GET", b"https", b"a.example", b"/")).backends
            for _ in range(5):
                async with backends.request("GET", "/", []) as response:
                    assert b"".join([piece async for piece in response.pieces()]) == b"answer"
    assert connections == 1
