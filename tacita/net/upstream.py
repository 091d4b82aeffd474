"""One server that we forward to, over one shared pool of kept connections.

What goes out is exactly what the caller gave: no cookie, no User-Agent, no
Accept-Encoding is added, no redirect followed, no proxy from the environment used,
nothing retried and nothing decompressed.

The three ways to fail are kept apart because tokens depend on it: *not reached*
(the server has seen nothing), *lost* (it may have seen everything), *too slow*.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Self

import aiohttp
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
    connection itself. `head_seconds` bounds the wait for each piece of the answer.
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
        self._session: aiohttp.ClientSession | None = None

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
            )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SKIPPED,
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

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
        sent = _Outgoing(body) if isinstance(body, AsyncIterator) else None
        with _mapped(sent):
            response = await self._session.request(
                method,
                URL(self._base + path, encoded=True),
                headers=CIMultiDict(headers),
                data=body if sent is None else sent.pieces(),
                allow_redirects=False,
            )
        try:
            yield UpstreamResponse(response, sent)
        finally:
            response.close()


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

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case; empty where there is none."""
        return self._response.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises as `Upstream.request`; a body cut short is `UpstreamLost`."""
        with _mapped(self._sent):
            async for piece in self._response.content.iter_any():
                yield piece


class _Outgoing:
    """A body on its way out, which remembers why it stopped: aiohttp turns every failure into its own."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self.error: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._source:
                yield piece
        except Exception as error:
            self.error = error
            raise


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
