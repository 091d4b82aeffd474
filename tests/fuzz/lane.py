"""Fuzz target: whatever a peer sends, the fast lane raises nothing, never hangs, and keeps its own order.

The first byte says how the rest is cut into segments; the rest is what the peer sends.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from support.transports import FakeTransport

from tacita.net.lane.lane import Lane
from tacita.net.message import Answer, HeadMalformed, MessageError, Request

__all__ = ["MARK", "Elsewhere", "converse", "one", "seeds"]

MARK = b"elsewhere: "
"""What the protocol that stands for aiohttp writes before the bytes that it was handed."""

_QUIET_ROUNDS = 6
"""Of the loop: more than any handler here takes between two reads."""

_TYPE = ((b"Content-Type", b"x/y"),)


class Elsewhere(asyncio.Protocol):
    """Stands for aiohttp: repeats what it is handed."""

    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(MARK)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def _echo(request: Request) -> None:
    content = b""
    while piece := await request.read():
        content += piece
    assert request.ended
    await request.answer(200, _TYPE, content)


async def _streamed(request: Request) -> None:
    await request.begin(200, _TYPE)
    size = 0
    while piece := await request.read():
        size += len(piece)
    await request.write(b"%d" % size)
    await request.end()


def _at_once(request: Request) -> None:
    if (content := request.content()) is None:
        raise HeadMalformed("The content did not come at once.")
    request.send(200, _TYPE, content)


def _render(error: Exception) -> Answer:
    # Anything else is a defect, and ends the fuzzer.
    assert isinstance(error, MessageError), error
    return Answer(error.status, (), b"")


async def converse(parts: list[bytes], *, paths: tuple[str, ...] = ("/a", "/b", "/c")) -> tuple[bytes, bool]:
    """Send `parts` to a lane; return what it wrote, and whether it has ended the connection."""
    handlers = {"/a": _echo, "/b": _streamed, "/c": _at_once}
    lane = Lane({path: handlers[path] for path in paths}, Elsewhere, _render)
    transport = FakeTransport()
    failures: list[BaseException] = []
    lane.loop.set_exception_handler(
        lambda _, told: failures.append(told.get("exception") or AssertionError(told))
    )
    transport.connect(lane())
    for part in parts:
        await _settle(lane, transport)
        transport.receive(part)
    await _settle(lane, transport)
    assert lane.under_way in {0, 1}
    written, finished = bytes(transport.written), transport.finished
    transport.end()
    await lane.close()
    assert not lane.under_way, "a request has not ended"
    for failure in failures:
        raise failure
    return written, finished


async def _settle(lane: Lane, transport: FakeTransport) -> None:
    """Let everything happen that can: a lane that is not read for long has something to do."""
    quiet = 0
    for _ in range(100_000):
        await asyncio.sleep(0)
        quiet = quiet + 1 if transport.reading or transport.is_closing() else 0
        if quiet > _QUIET_ROUNDS:
            return
    raise AssertionError(f"the lane hangs with {lane.under_way} requests under way")


def one(data: bytes) -> None:
    """Run one input. Raises on any defect."""
    size = data[0] if data else 0
    rest = data[1:]
    parts = [rest] if not size else [rest[at : at + size] for at in range(0, len(rest), size)]
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(converse([part for part in parts if part]))


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    sized = b"POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    chunked = b"POST /%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"5;a=b\r\nhello\r\n0\r\nx: 1\r\n\r\n"
    for size in (0, 1, 7, 64):
        for path in (b"a", b"b", b"c"):
            yield bytes([size]) + sized % path
            yield bytes([size]) + chunked % path
        # What lies behind one another on a connection, and what the lane hands on.
        yield bytes([size]) + sized % b"a" + chunked % b"b" + sized % b"c"
        yield bytes([size]) + sized % b"a" + b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"
    yield b"\0" + (sized % b"a").replace(b"Host: h", b"Host: h\r\nExpect: 100-continue")
    yield b"\0" + (sized % b"a").replace(b"Host: h", b"Host: h\r\nConnection: close")
    yield b"\0" + (sized % b"a").replace(b"HTTP/1.1", b"HTTP/1.0")
