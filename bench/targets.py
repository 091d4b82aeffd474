"""The servers behind the ones that are measured: as cheap as can be, in the bench's own process.

`python -m bench.targets PORT BYTES` runs one in a process of its own.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httptools
import uvloop

__all__ = ["Answers", "fixed_server", "ticking_server"]

Answers = Mapping[bytes, tuple[str, bytes]]
"""Media type and body by path; empty for all others."""


class _Fixed(asyncio.Protocol):
    """Answers each GET with the same bytes, by path, and everything else as if its path were empty."""

    def __init__(self, answers: Mapping[bytes, bytes]) -> None:
        self._answers = answers
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
        path = self._path if self._parser.get_method() == b"GET" else b""
        if path in self._answers:
            self.transport.write(self._answers[path])
        else:
            self.other()

    def other(self) -> None:
        """Answer what has no answer of its own."""
        self.transport.write(self._answers[b""])


class _Ticking(_Fixed):
    """Answers POST with pieces, one each `seconds`, the first after `first` seconds."""

    kind: str
    piece: bytes
    pieces: int
    seconds: float
    first: float

    def other(self) -> None:
        asyncio.get_running_loop().call_later(self.first, self._begin)

    def _begin(self) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {self.kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.transport.write(head.encode())
        self._tick(self.pieces)

    def _tick(self, left: int) -> None:
        if self.transport.is_closing():
            return
        if not left:
            self.transport.write(b"0\r\n\r\n")
            return
        self.transport.write(b"%x\r\n%b\r\n" % (len(self.piece), self.piece))
        asyncio.get_running_loop().call_later(self.seconds, self._tick, left - 1)


@asynccontextmanager
async def fixed_server(answers: Answers, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve `answers` on 127.0.0.1; yield the port."""
    wire = _wire(answers)
    server = await asyncio.get_running_loop().create_server(lambda: _Fixed(wire), "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def ticking_server(
    documents: Answers, kind: str, *, piece: bytes, pieces: int, seconds: float, first: float = 0.0
) -> AsyncIterator[int]:
    """Answer each POST with `pieces` times `piece`, one each `seconds`; yield the port.

    The first comes after `first` seconds. GET gives one of `documents`.
    """
    wire = _wire(documents)

    def made() -> _Ticking:
        one = _Ticking(wire)
        one.kind, one.piece, one.pieces, one.seconds, one.first = kind, piece, pieces, seconds, first
        return one

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _wire(answers: Answers) -> dict[bytes, bytes]:
    return {
        path: f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for path, (kind, body) in answers.items()
    }


async def _alone(port: int, size: int) -> None:
    wire = _wire({b"": ("application/octet-stream", os.urandom(size))})
    server = await asyncio.get_running_loop().create_server(lambda: _Fixed(wire), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_alone(int(sys.argv[1]), int(sys.argv[2])))
