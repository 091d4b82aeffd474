"""The one who asks: few requests, short answers, nobody waited for twice."""

import asyncio

import pytest
from aiohttp import web
from support import raw_http
from support.worlds import served

from tacita.client.doctor.verdicts import Untried, Wrong
from tacita.client.doctor.visitor import Visitor, Withheld
from tacita.net.upstream import UpstreamTimeout, UpstreamUnreachable


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=b"a" * int(request.query["bytes"]), headers={"X-Twice": "1"})


async def test_a_whole_answer() -> None:
    async with served(echo) as origin:
        answer = await Visitor().ask("GET", f"{origin}/?bytes=7")
    assert (answer.status, answer.body, answer.value("x-twice")) == (200, b"a" * 7, "1")
    assert sum(size for _, size in answer.arrivals) == 7
    assert "aaaaaaa" not in repr(answer)


async def test_no_more_than_so_many_requests() -> None:
    async with served(echo) as origin:
        visitor = Visitor(most=2)
        for _ in range(2):
            await visitor.ask("GET", f"{origin}/?bytes=1")
        with pytest.raises(Untried):
            await visitor.ask("GET", f"{origin}/?bytes=1")
        assert visitor.requests == 2


async def test_an_answer_without_an_end_in_sight() -> None:
    async with served(echo) as origin:
        with pytest.raises(Wrong):
            await Visitor().ask("GET", f"{origin}/?bytes=2000000")


async def test_nobody_is_there_and_is_not_waited_for_again() -> None:
    visitor = Visitor()
    for _ in range(2):
        with pytest.raises(UpstreamUnreachable):
            await visitor.ask("GET", "http://127.0.0.1:1/")
    assert visitor.requests == 1


async def test_a_server_that_says_nothing() -> None:
    async def handle(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_http.serving(handle) as port:
        with pytest.raises(UpstreamTimeout):
            await Visitor(seconds=0.1).ask("GET", f"http://127.0.0.1:{port}/")


async def test_a_body_whose_end_is_kept_back() -> None:
    got = bytearray()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw_http.read_head(reader)
        got.extend(await raw_http.read_chunk(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
        await writer.drain()
        assert not await reader.read()

    async with raw_http.serving(handle) as port:
        answer = await Visitor().ask("POST", f"http://127.0.0.1:{port}/", (), Withheld(b"first"))
    assert (bytes(got), answer.body) == (b"first", b"early")
