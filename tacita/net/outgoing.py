"""A request's body on its way out while it is still being made, in a task of its own.

The answer may begin before the body ends, and the server may stop taking the body: both sides
of a connection move at the same time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from tacita.net.connection import Connection
from tacita.net.message import Fields

__all__ = ["Outgoing"]


class Outgoing:
    """Sends what `source` gives until it ends; what it raises ends the exchange, and reaches its reader.

    With a `length` the body has exactly so many bytes; without one it goes out in chunks, followed
    by the trailer fields that `trailers` returns then.
    """

    def __init__(
        self,
        connection: Connection,
        source: AsyncIterator[bytes],
        length: int | None,
        trailers: Callable[[], Fields] | None,
    ) -> None:
        self._connection = connection
        self._source = source
        self._left = length
        self._trailers = trailers
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Return when `source` is not asked for anything any more."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            await self._send()
        except Exception as error:
            # Before the end of the body: the server sees that it was cut.
            self._connection.fail(error)

    async def _send(self) -> None:
        connection = self._connection
        async for piece in self._source:
            if not connection.open:
                return
            if piece:
                connection.write(self._framed(piece))
                await connection.drain()
        if self._left is None:
            connection.write(b"0\r\n%b\r\n" % lines(self._trailers() if self._trailers is not None else ()))
        elif self._left:
            raise ValueError("the body is shorter than its Content-Length")
        connection.sent()

    def _framed(self, piece: bytes) -> bytes:
        if self._left is None:
            return b"%x\r\n%b\r\n" % (len(piece), piece)
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError("the body is longer than its Content-Length")
        return piece


def lines(fields: Fields) -> bytes:
    """Return `fields` as they stand in a head or a trailer section.

    Raises:
        ValueError: one would be more than one line, or none.
    """
    written = b"".join([b"%b: %b\r\n" % field for field in fields])
    if written.count(b"\n") != len(fields) or written.count(b"\r") != len(fields):
        raise ValueError("a field holds the end of a line")
    return written
