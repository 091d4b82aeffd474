"""The answer of another server, as it arrives: filled by its connection, read by whoever asked.

What has come is given out before anything else is said: the pieces first, then why there
are no more of them.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

from tacita.net.message import Fields

__all__ = ["WINDOW", "Source", "UpstreamResponse"]

WINDOW = 65_536
"""Bytes of content that wait for their reader; with more of them, the server is no longer read."""


class Source(Protocol):
    """Where the answer comes from."""

    def arrival(self) -> asyncio.Future[None]:
        """Return what is done as soon as something has arrived: a head, a piece, the end, or a failure."""

    def resume(self) -> None:
        """Go on reading, where that was stopped."""


class UpstreamResponse:
    """An answer whose head has arrived: `status`, `fields` in order and with duplicates, body in pieces.

    `informational` has the heads with a status of 1xx that came before (RFC 9110, Section 15.2), each
    with its fields; `trailers` the fields that came after the body, once it has been read to its end.
    Names of fields are in lower case.
    """

    __slots__ = (
        "_error",
        "_held",
        "_pieces",
        "_source",
        "ended",
        "fields",
        "informational",
        "status",
        "trailers",
    )

    def __init__(self, source: Source) -> None:
        self.status = 0
        self.fields: Fields = ()
        self.informational: list[tuple[int, Fields]] = []
        self.trailers: Fields = ()
        self.ended = False
        """Whether all of it has arrived."""
        self._source = source
        self._pieces: list[bytes] = []
        self._held = 0
        self._error: Exception | None = None

    def value(self, name: str) -> str:
        """The first value of the field `name`, whatever its case; empty where there is none."""
        wanted = name.lower().encode()
        for key, value in self.fields:
            if key == wanted:
                return value.decode("latin-1")
        return ""

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case; empty where there is none."""
        return self.value("content-type").partition(";")[0].strip().lower()

    def arrived(self) -> bytes | None:
        """Return all of the body if all of it is here, else None. Most short answers come in one segment."""
        if not self.ended or self._error is not None:
            return None
        return self._taken()

    async def read(self) -> bytes:
        """Return what has arrived of the body, empty at its end; waits where nothing has.

        Raises:
            UpstreamLost: the body was cut short.
            UpstreamTimeout: the server took too long.
            Exception: what the request's own body raised.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.ended:
                return b""
            await self._source.arrival()
        return self._taken()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives. Raises as `read`."""
        while piece := await self.read():
            yield piece

    def _taken(self) -> bytes:
        body = b"".join(self._pieces)
        self._pieces.clear()
        if self._held > WINDOW:
            self._source.resume()
        self._held = 0
        return body

    # For the connection.

    async def headed(self) -> None:
        """Return when the head has arrived. Raises as `read`."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._source.arrival()

    def add(self, piece: bytes) -> bool:
        """Take a piece of the body; return whether more can be held."""
        self._pieces.append(piece)
        self._held += len(piece)
        return self._held <= WINDOW

    def fail(self, error: Exception) -> None:
        """Nothing more will come, because of `error`: the first one counts."""
        if self._error is None:
            self._error = error
