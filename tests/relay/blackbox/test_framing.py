"""What two parsers could read differently never reaches a gateway as two requests, or as a whole one."""

import asyncio

import pytest
from support.differences import outcome
from support.planes import Plane
from support.raw_http import connection, fields, read_body
from support.relays import ANSWER, CHUNKED, Gateway

HEAD = b"POST /one HTTP/1.1\r\nHost: r\r\nContent-Type: message/ohttp-req\r\n"
SMUGGLED = b"POST /one HTTP/1.1\r\nHost: r\r\nX-Smuggled: 7\r\nContent-Length: 1\r\n\r\nx"

AMBIGUOUS = {
    "length and chunks": HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks and length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" + SMUGGLED,
    "list of lengths": HEAD + b"Content-Length: 3, 4\r\n\r\nabcd" + SMUGGLED,
    "signed length": HEAD + b"Content-Length: +3\r\n\r\nabc" + SMUGGLED,
    "hexadecimal length": HEAD + b"Content-Length: 0x3\r\n\r\nabc" + SMUGGLED,
    "space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding behind chunked": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "folded line": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "size that is none": CHUNKED + b"3\r\nsea\r\nzz\r\n\r\n" + SMUGGLED,
    "size that overflows": CHUNKED + b"10000000000000003\r\nsea\r\n0\r\n\r\n" + SMUGGLED,
    "chunk without its end": CHUNKED + b"3\r\nseaX0\r\n\r\n" + SMUGGLED,
    "nul in a name": HEAD + b"X\0Y: 1\r\nContent-Length: 3\r\n\r\nabc",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_an_ambiguous_request_is_none(gateway: Gateway, plane: Plane, name: str) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway.bodies.append(await read_body(reader, head))
        writer.write(ANSWER)

    gateway.answer = answer
    async with plane.running(gateway.config()) as running:
        async with connection(running.port) as (reader, writer):
            writer.write(AMBIGUOUS[name])
            writer.write_eof()
            said = await reader.read()
        # The next client is answered: nothing was left on the way to the gateway.
        async with connection(running.port) as (reader, writer):
            writer.write(HEAD + b"Content-Length: 3\r\n\r\nabc")
            assert (await reader.readuntil(b"answer")).startswith(b"HTTP/1.1 200 ")
    for head in gateway.heads:
        # One framing each, and nothing of what a sender hides behind another request.
        assert ("content-length" in fields(head)) != ("transfer-encoding" in fields(head))
        assert b"smuggled" not in head.lower()
    if _is_read_in_one_way(name, plane):
        assert gateway.bodies in ([b"abc"], [b"", b"abc"], [b"", b"x", b"abc"])
    else:
        assert not said.startswith(b"HTTP/1.1 2"), said
        assert gateway.bodies == [b"abc"]


def _is_read_in_one_way(name: str, plane: Plane) -> bool:
    if name in {"length and chunks", "chunks and length"}:
        return outcome("length and chunks", plane.name) != "refused"
    return name == "folded line" and outcome("folded line", plane.name) != "refused"


async def test_what_follows_a_request_on_its_connection_is_a_request_by_the_same_rules(
    gateway: Gateway, plane: Plane
) -> None:
    async with plane.running(gateway.config()) as running, connection(running.port) as (reader, writer):
        one = HEAD + b"Content-Length: 3\r\n\r\nabc"
        writer.write(one + one.replace(b"/one", b"/two") + one)
        seen = b""
        while seen.count(b"answer") < 2:
            piece = await reader.read(4096)
            assert piece, seen
            seen += piece
    assert [part.split(b" ")[0] for part in seen.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]
    assert len(gateway.heads) == 2
