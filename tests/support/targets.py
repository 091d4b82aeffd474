"""A target that does what a test wants: answers, streams, fails, hangs, dies.

    async with Target.at(port) as target:
        target.answer = failing(2)

It closes every connection after one answer, so that no request meets one that an earlier
test left behind. While nothing stands at the port that `reserved_port` holds, connections
to it are refused.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from support import raw_http

__all__ = [
    "Feed",
    "Received",
    "Target",
    "dying",
    "event",
    "failing",
    "hanging",
    "plain",
    "raw",
    "reserved_port",
    "streaming",
]


@dataclass(slots=True)
class Received:
    """One request as it arrived, and whether the connection was closed by the other side since."""

    peer: str
    head: bytes
    body: bytes
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def fields(self) -> dict[str, str]:
        """The header fields, names in lower case."""
        return raw_http.fields(self.head)


Answer = Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Target:
    """The server; `answer` may be replaced at any time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.answer: Answer = plain()
        self.received: list[Received] = []
        self._arrival = asyncio.Event()

    async def arrived(self) -> Received:
        """Wait for the next request, and return it."""
        await self._arrival.wait()
        self._arrival.clear()
        return self.received[-1]

    @classmethod
    @asynccontextmanager
    async def at(cls, port: int) -> AsyncIterator[Self]:
        """Serve at `port`, which `reserved_port` holds."""
        target = cls(port)
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await target._serve(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", port, reuse_port=True)
        try:
            yield target
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await raw_http.read_head(reader)
            body = await raw_http.read_body(reader, head)
            request = Received(writer.get_extra_info("peername")[0], head, body)
            self.received.append(request)
            self._arrival.set()
            await self.answer(request, reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port for `Target.at`: bound, so that nobody else gets it, and closed to connections."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def event(text: str) -> bytes:
    """Return one server-sent event with `text` as the next piece of a chat completion."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


def plain(body: bytes = b"an answer", *, status: int = 200, fields: bytes = b"") -> Answer:
    """Answer with `body`, whole. `fields` are further lines of the head."""

    async def answer(_request: Received, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, b"Content-Length: %d\r\n%b" % (len(body), fields)) + body)

    return answer


def raw(data: bytes) -> Answer:
    """Answer with exactly `data`."""

    async def answer(_request: Received, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


def failing(times: int, *, status: int = 500) -> Answer:
    """Answer with `status` and no body for `times` requests, then as `plain`."""
    left = times

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        left -= 1
        await (plain(b"", status=status) if left >= 0 else plain())(request, reader, writer)

    return answer


def hanging(first: bytes | None = None) -> Answer:
    """Send a head and the piece `first` (None: nothing at all), then wait until the other side leaves."""

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first is not None:
            writer.write(_head(200, b"Transfer-Encoding: chunked\r\n") + _chunk(first))
        with suppress(ConnectionError):
            await reader.read()
        request.gone.set()

    return answer


def dying(first: bytes, *, length: int | None = None) -> Answer:
    """Send a head (with a Content-Length of `length`, or chunked) and `first`, then break off."""

    async def answer(_request: Received, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if length is None:
            writer.write(_head(200, b"Transfer-Encoding: chunked\r\n") + _chunk(first))
        else:
            writer.write(_head(200, b"Content-Length: %d\r\n" % length) + first)
        await writer.drain()

    return answer


class Feed:
    """What `streaming` sends: pieces that the test puts in while the answer is under way."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, piece: bytes) -> None:
        """Send `piece`."""
        self._queue.put_nowait(piece)

    def end(self) -> None:
        """End the answer."""
        self._queue.put_nowait(b"")

    async def next(self) -> bytes:
        """Return the next piece; empty: the end."""
        return await self._queue.get()


def streaming(feed: Feed) -> Answer:
    """Send the head at once, then each piece of `feed` when it comes."""

    async def answer(_request: Received, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"))
        while piece := await feed.next():
            writer.write(_chunk(piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    return answer


def _head(status: int, fields: bytes) -> bytes:
    return b"HTTP/1.1 %d Said\r\nConnection: close\r\n%b\r\n" % (status, fields)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
