"""One connection that is kept, on which requests are timed one after the other."""

import asyncio
import time
from collections.abc import Callable
from typing import Self

import httptools

__all__ = ["Kept"]


class Kept(asyncio.Protocol):
    """Sends a request, tells when its answer's content has come so far, and waits for the answer's end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._arrived: Callable[[bytes], bool] = bool
        self._times: list[float] = []
        self._whole: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to 127.0.0.1:`port`."""
        _, made = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    async def first(self, request: bytes, arrived: Callable[[bytes], bool]) -> float:
        """Send `request`; return when (by `time.perf_counter`) `arrived` was first true of the content.

        It is given each piece as it comes. Raises `RuntimeError` for another status than 200, or if it
        never is true, and `ConnectionError` where the server closes the connection.
        """
        self._arrived, self._times = arrived, []
        self._whole = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        await self._whole
        status = self._parser.get_status_code()
        if status != 200 or not self._times:
            raise RuntimeError(f"a request was answered with {status}, or without content")
        return self._times[0]

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        """See httptools."""
        if not self._times and self._arrived(data):
            self._times.append(time.perf_counter())

    def on_message_complete(self) -> None:
        """See httptools."""
        self._whole.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if not self._whole.done():
            self._whole.set_exception(exc or ConnectionError("the server closed a connection"))
