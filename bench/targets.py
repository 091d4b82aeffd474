"""The servers behind the ones that are measured: as cheap as can be, in the bench's own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httptools

__all__ = ["fixed_server"]


class _Fixed(asyncio.Protocol):
    """Answers each GET with the same bytes, by path, and everything else as if its path were empty."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
        path = self._path if self._parser.get_method() == b"GET" else b""
        self._transport.write(self._answers.get(path, self._answers[b""]))


@asynccontextmanager
async def fixed_server(answers: dict[bytes, tuple[str, bytes]]) -> AsyncIterator[int]:
    """Serve `answers`, media type and body by path (empty for all others); yield the port."""
    wire = {
        path: f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for path, (kind, body) in answers.items()
    }
    server = await asyncio.get_running_loop().create_server(lambda: _Fixed(wire), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
