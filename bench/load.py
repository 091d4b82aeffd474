"""A closed loop of prepared requests over kept connections: cheap, so that the server is what is measured."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence

import httptools

__all__ = ["drive", "http_request"]


def http_request(path: str, body: bytes, *fields: tuple[str, str]) -> bytes:
    """Return a POST of `body` as it stands on the wire."""
    head = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer is whole, until there are none."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None], wanted: int) -> None:
        self._requests = requests
        self._done = done
        self._wanted = wanted
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != self._wanted:
            self._end(RuntimeError(f"a request was answered with {self._parser.get_status_code()}"))
            return
        self._parser = httptools.HttpResponseParser(self)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server closed a connection"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end(None)
        else:
            self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
        self._transport.close()


async def drive(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    *,
    wanted: int = 200,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Send all `requests` to 127.0.0.1:`port` over `connections`, each answered with status `wanted`.

    Raises:
        RuntimeError: another status.
        ConnectionError: the server closed a connection.
    """
    loop = asyncio.get_running_loop()
    rest = iter(requests)
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done = loop.create_future()
        ends.append(done)
        await loop.create_connection(
            lambda done=done: _Connection(rest, done, wanted),
            "127.0.0.1",
            port,
            ssl=tls,
        )
    await asyncio.gather(*ends)
