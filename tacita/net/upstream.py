"""One server that we forward to, over one shared pool of kept connections.

    async with Upstream("https://target.example") as target:
        async with target.request("GET", "/", [(b"accept", b"*/*")]) as answer:
            async for piece in answer.pieces(): ...

What goes out is exactly what the caller gave: no field is added but Host and the length or coding
of the content where they are missing, no redirect followed, no proxy from the environment used,
nothing retried and nothing decompressed.

The three ways to fail are kept apart because tokens depend on it: *not reached* (the server has
seen nothing), *lost* (it may have seen everything), *too slow*.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from ssl import SSLContext
from typing import Self
from urllib.parse import urlsplit

from tacita.net import urls
from tacita.net.connection import Connection
from tacita.net.dial import Dialler, Policy, anywhere
from tacita.net.errors import UpstreamBusy, UpstreamError, UpstreamLost, UpstreamTimeout, UpstreamUnreachable
from tacita.net.message import Field, Fields
from tacita.net.outgoing import Outgoing, lines
from tacita.net.pool import IDLE_SECONDS, Pool
from tacita.net.response import WINDOW, UpstreamResponse
from tacita.net.tls import client_context

__all__ = [
    "Upstream",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamLost",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamTimeout",
    "UpstreamUnreachable",
]

_TARGET = re.compile(r"[!-~]+")
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_WITHOUT_CONTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""A request by another method says that it has no content (RFC 9110, Section 8.6)."""


class Upstream:
    """A pool of connections to one origin. Use as an async context manager.

    `url` is an http or https URL whose path, if any, is put before every request's path.
    `unix` is the path of a socket that is connected to in its place. `policy` judges each address
    that the URL's host has. Over https it is TLS 1.3 with the system's roots, unless `tls` says
    otherwise. `connections` bounds the pool; a request waits for a free one for at most
    `connect_seconds`, which also bounds the connection itself. `read_seconds` bounds the wait for the
    answer's head and for each piece of it, and the time in which the server has to take each piece of
    a streamed body; both are looked at now and then, and end up to a tenth later.

    Raises:
        ConfigError: `url` is not an http or https URL.
    """

    def __init__(
        self,
        url: str,
        *,
        unix: Path | None = None,
        tls: SSLContext | None = None,
        policy: Policy = anywhere,
        connections: int = 512,
        connect_seconds: float = 5.0,
        read_seconds: float = 60.0,
    ) -> None:
        origin, path = urls.split(url)
        parts = urlsplit(origin)
        self._authority = parts.netloc.encode()
        self._base = path.rstrip("/")
        self._read_seconds = read_seconds
        self._buffer = bytearray(WINDOW)
        self._newest: Connection | None = None
        if parts.scheme == "http":
            tls = None
        elif tls is None:
            tls = client_context()
        self._dialler = Dialler(
            parts.hostname or "",
            parts.port or {"http": 80, "https": 443}[parts.scheme],
            unix=unix,
            tls=tls,
            policy=policy,
            factory=self._made,
        )
        self._connections = connections
        self._connect_seconds = connect_seconds
        self._pool: Pool | None = None

    async def __aenter__(self) -> Self:
        tick = min(1.0, max(0.01, min(self._read_seconds, IDLE_SECONDS) / 10))
        self._pool = Pool(self._connections, self._connect_seconds, tick)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    @property
    def local_address(self) -> str:
        """The address from which the server saw the newest connection come; empty when there is none."""
        return "" if self._newest is None else self._newest.address

    def _made(self) -> Connection:
        assert self._pool is not None
        self._newest = Connection(self._buffer, self._read_seconds, self._pool.closed)
        return self._newest

    def request(
        self,
        method: str,
        path: str,
        fields: Iterable[Field],
        body: bytes | AsyncIterator[bytes] | None = None,
        *,
        trailers: Callable[[], Fields] | None = None,
    ) -> "UpstreamRequest":
        """Return a request to be used as an async context manager.

        It is sent on entry, which gives the answer as soon as its head is there; its body is read inside.
        Leaving the context before the answer's end closes the connection at once, which is how a
        cancellation travels on. An exception that `body` raises comes out unchanged. Where `body` comes
        in pieces and `fields` give no length, `trailers` returns the trailer fields, asked at its end.

        Raises, on entry:
            UpstreamUnreachable, UpstreamLost, UpstreamTimeout
            ValueError: a part of the request cannot be written as one.
        """
        if self._pool is None:
            raise RuntimeError("the upstream is used outside its context")
        target = self._base + path or "/"
        if not _TARGET.fullmatch(target) or not _METHOD.fullmatch(method):
            raise ValueError("the method or the path holds what cannot be in a request line")
        head, length = self._head(method, target, tuple(fields), body)
        return UpstreamRequest(
            self._pool, self._dialler, head, length, body, trailers=trailers, for_head=method == "HEAD"
        )

    def _head(
        self, method: str, target: str, fields: Fields, body: bytes | AsyncIterator[bytes] | None
    ) -> tuple[bytes, int | None]:
        """Return the request's head, and the length that it announces, if it does."""
        given = {name.lower(): value for name, value in fields}
        host = b"" if b"host" in given else b"Host: %b\r\n" % self._authority
        announced = given.get(b"content-length")
        length = None if announced is None else int(announced)
        framing = b""
        if isinstance(body, bytes):
            if length is None:
                framing = b"Content-Length: %d\r\n" % len(body)
            elif length != len(body):
                raise ValueError("the body is shorter or longer than its Content-Length")
        elif body is not None:
            if length is None:
                framing = b"Transfer-Encoding: chunked\r\n"
        elif length:
            raise ValueError("the body is shorter than its Content-Length")
        elif length is None and method not in _WITHOUT_CONTENT:
            framing = b"Content-Length: 0\r\n"
        start = f"{method} {target} HTTP/1.1\r\n".encode("ascii")
        return b"%b%b%b%b\r\n" % (start, host, lines(fields), framing), length


class UpstreamRequest:
    """One request. Entered once; see `Upstream.request`."""

    __slots__ = (
        "_body",
        "_connection",
        "_dialler",
        "_for_head",
        "_head",
        "_length",
        "_outgoing",
        "_pool",
        "_trailers",
    )

    def __init__(
        self,
        pool: Pool,
        dialler: Dialler,
        head: bytes,
        length: int | None,
        body: bytes | AsyncIterator[bytes] | None,
        *,
        trailers: Callable[[], Fields] | None,
        for_head: bool,
    ) -> None:
        self._pool = pool
        self._dialler = dialler
        self._head = head
        self._length = length
        self._body = body
        self._trailers = trailers
        self._for_head = for_head
        self._connection: Connection | None = None
        self._outgoing: Outgoing | None = None

    async def __aenter__(self) -> UpstreamResponse:
        connection = self._pool.idle() or await self._pool.take(self._dialler)
        self._connection = connection
        try:
            response = self._send(connection)
            await response.headed()
        except BaseException:
            await self.__aexit__()
            raise
        return response

    async def __aexit__(self, *_exc: object) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        if connection.finish():
            self._pool.give(connection)
        if self._outgoing is not None:
            await self._outgoing.stop()

    def _send(self, connection: Connection) -> UpstreamResponse:
        body = self._body
        if body is None:
            return connection.begin(self._head, whole=True, for_head=self._for_head)
        if isinstance(body, bytes):
            # One write is one system call, and one record of TLS.
            short = len(body) <= WINDOW
            response = connection.begin(
                self._head + body if short else self._head, whole=True, for_head=self._for_head
            )
            if not short:
                connection.write(body)
            return response
        response = connection.begin(self._head, whole=False, for_head=self._for_head)
        self._outgoing = Outgoing(connection, body, self._length, self._trailers)
        return response
