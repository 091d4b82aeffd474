"""What aiohttp's parser refuses is answered as everything else is, and nothing of it is written down."""

import asyncio
import logging

import pytest
from aiohttp import web
from support.ports import free_port

from tacita.service.config import Listen
from tacita.service.listening import operators_port

CANARY = b"canary-4711"


async def answer(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), 15)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET /%b HTTP/1.1\r\nHost: x\r\nX-%b : 1\r\n\r\n" % (CANARY, CANARY),
        b"%b\r\n\r\n" % CANARY,
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %b\r\n\r\n" % CANARY,
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (CANARY * 2000),
    ],
)
async def test_a_refusal_is_a_problem_document(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    port = free_port()
    async with operators_port(web.Application(), Listen(port=port), None):
        told = await answer(port, data)
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert b"Content-Type: application/problem+json" in head
    assert b"Connection: close" in head
    assert b"Server" not in head
    assert CANARY not in told
    assert body.startswith(b"{")
    assert CANARY.decode() not in caplog.text
