"""One server that we forward to, over one shared pool of kept connections.

What goes out is exactly what the caller gave: no cookie, no User-Agent, no
Accept-Encoding is added, no redirect followed, no proxy from the environment used,
nothing retried and nothing decompressed.

The three ways to fail are kept apart because tokens depend on it: *not reached*
(the server has seen nothing), *lost* (it may have seen everything), *too slow*.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from ssl import SSLContext
from typing import Self

import aiohttp
from aiohappyeyeballs import AddrInfoType
from multidict import CIMultiDict
from yarl import URL

from tacita.errors import TacitaError

__all__ = [
    "Upstream",
    "UpstreamError",
    "UpstreamLost",
    "UpstreamResponse",
    "UpstreamTimeout",
    "UpstreamUnreachable",
]

_POOL_SECONDS = 10.0
"""How long an idle connection is kept: well below the 75 s of nginx and aiohttp servers, so that the
server does not close one in the moment in which we send on it."""

_SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class UpstreamError(TacitaError):
    """The server could not be asked, or its answer did not arrive whole."""

    status = 502


class UpstreamUnreachable(UpstreamError):
    """No connection could be made: the server has seen nothing of the request."""


class UpstreamLost(UpstreamError):
    """The connection broke after something was sent: the server may have acted on it."""


class UpstreamTimeout(UpstreamError):
    """The server took longer than allowed."""

    status = 504


class Upstream:
    """A pool of connections to one origin. Use as an async context manager.

    `url` is an http or https URL whose path, if any, is put before every request's path.
    `unix` is the path of a socket that is connected to in its place. `connections` bounds the
    pool; a request waits for a free one for at most `connect_seconds`, which also bounds the
    connection itself. `read_seconds` bounds the wait for each piece of the answer, and the time in
    which the server has to take each piece of a streamed body.
    """

    def __init__(
        self,
        url: str,
        *,
        unix: Path | None = None,
        tls: SSLContext | None = None,
        connections: int = 512,
        connect_seconds: float = 5.0,
        read_seconds: float = 60.0,
    ) -> None:
        self._base = url.rstrip("/")
        self._unix = unix
        self._tls = tls
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_seconds, sock_connect=connect_seconds, sock_read=read_seconds
        )
        self._read_seconds = read_seconds
        self._session: aiohttp.ClientSession | None = None
        self._newest: socket.socket | None = None

    async def __aenter__(self) -> Self:
        connector: aiohttp.BaseConnector
        if self._unix is not None:
            connector = aiohttp.UnixConnector(
                str(self._unix), limit=self._connections, keepalive_timeout=_POOL_SECONDS
            )
        else:
            connector = aiohttp.TCPConnector(
                limit=self._connections,
                keepalive_timeout=_POOL_SECONDS,
                ssl=True if self._tls is None else self._tls,
                socket_factory=self._socket,
            )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SKIPPED,
            auto_decompress=False,
            trust_env=False,
        )
        # aiohttp sends a GET again by itself when a kept connection breaks, and has no public switch:
        # the server may have acted on the first one (RFC 9458, Section 6.5), and a token buys one.
        self._session._retry_connection = False
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def local_address(self) -> str:
        """The address from which the server saw the newest connection come; empty when there is none."""
        try:
            host, port, *_ = self._newest.getsockname() if self._newest else ("", "")
        except (OSError, ValueError):
            return ""
        return f"{host}:{port}" if host else ""

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        self._newest = socket.socket(family, kind, protocol)
        return self._newest

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        body: bytes | AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator["UpstreamResponse"]:
        """Send one request; the answer's head is there on entry, its body is read inside.

        Leaving the context before the body has ended closes the connection, which is how a
        cancellation travels on. An exception that `body` raises comes out unchanged.

        Raises:
            UpstreamUnreachable, UpstreamLost, UpstreamTimeout
        """
        if self._session is None:
            raise RuntimeError("the upstream is used outside its context")
        # aiohttp bounds reading, not writing: a server that stops taking the body is ours to notice.
        stall = asyncio.timeout(None)
        sent = _Outgoing(body, stall, self._read_seconds) if isinstance(body, AsyncIterator) else None
        try:
            async with stall:
                with _mapped(sent):
                    response = await self._session.request(
                        method,
                        URL(self._base + path, encoded=True),
                        headers=CIMultiDict(headers),
                        data=body if sent is None else sent.pieces(),
                        allow_redirects=False,
                    )
                try:
                    if sent is not None:
                        sent.answered(response)
                    yield UpstreamResponse(response, sent)
                finally:
                    response.close()
        except TimeoutError:
            if not stall.expired():
                raise
            raise UpstreamTimeout("The server behind this one took too long; try again later.") from None


class UpstreamResponse:
    """An answer whose head has arrived: `status`, `fields` in order and with duplicates, body in pieces."""

    def __init__(self, response: aiohttp.ClientResponse, sent: "_Outgoing | None") -> None:
        self._response = response
        self._sent = sent
        self.status = response.status

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """The header fields as they were received."""
        return self._response.raw_headers

    def value(self, name: str) -> str:
        """The first value of the field `name`, whatever its case; empty where there is none."""
        return self._response.headers.get(name, "")

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case; empty where there is none."""
        return self.value("Content-Type").partition(";")[0].strip().lower()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives. Raises as `Upstream.request`; a body cut short is `UpstreamLost`."""
        with _mapped(self._sent):
            async for piece in self._response.content.iter_any():
                yield piece
        if self._sent is not None:
            self._sent.settled()


class _Outgoing:
    """A body on its way out, which remembers why it stopped: aiohttp turns every failure into its own."""

    def __init__(self, source: AsyncIterator[bytes], stall: asyncio.Timeout, seconds: float) -> None:
        self._source = source
        self._stall = stall
        self._seconds = seconds
        self._answer: aiohttp.StreamReader | None = None
        self.error: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        try:
            async for piece in self._source:
                self._allow(clock() + self._seconds)
                yield piece
                self._allow(None)
        except Exception as error:
            self.error = error
            # The server waits for the rest before it ends its answer: whoever reads that is told.
            if self._answer is not None:
                self._answer.set_exception(error)
            raise

    def answered(self, response: aiohttp.ClientResponse) -> None:
        """Take note of an answer that began, perhaps before the body has ended."""
        if self.error is not None:
            raise self.error
        self._answer = response.content

    def settled(self) -> None:
        """The answer is complete: whether the server takes the rest of the body no longer matters."""
        self._allow(None)

    def _allow(self, until: float | None) -> None:
        with suppress(RuntimeError):  # The request is over, and with it the clock.
            self._stall.reschedule(until)


@contextmanager
def _mapped(sent: _Outgoing | None) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        if sent is not None and sent.error is not None:
            raise sent.error from None
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            raise UpstreamUnreachable(
                "The server behind this one cannot be reached; try again later."
            ) from None
        if isinstance(error, TimeoutError):
            raise UpstreamTimeout("The server behind this one took too long; try again later.") from None
        raise UpstreamLost("The connection to the server behind this one broke off.") from None
