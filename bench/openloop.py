"""An open loop: requests at set times, whether or not others have been answered."""

import asyncio
import time
from collections import deque

import httptools

__all__ = ["latencies"]


class _Connection(asyncio.Protocol):
    """Sends one request at a time; it is `free` again when the answer is whole."""

    def __init__(self, loop: "_Loop") -> None:
        self._loop = loop
        self._scheduled = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def send(self, scheduled: float) -> None:
        self._scheduled = scheduled
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(self._loop.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 200:
            self._loop.failed(f"a request was answered with {self._parser.get_status_code()}")
        self._loop.answered(self, time.perf_counter() - self._scheduled)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._loop.failed("the server closed a connection")


class _Loop:
    """What the connections share: who is free, what waits for one, and what was measured."""

    def __init__(self, request: bytes, count: int) -> None:
        self.request = request
        self.found: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count = count
        self._free: deque[_Connection] = deque()
        self._due: deque[float] = deque()

    def take(self, connection: _Connection) -> None:
        self._free.append(connection)

    def due(self, scheduled: float) -> None:
        if self._free:
            self._free.popleft().send(scheduled)
        else:
            self._due.append(scheduled)

    def answered(self, connection: _Connection, seconds: float) -> None:
        self.found.append(seconds)
        if len(self.found) == self._count and not self.done.done():
            self.done.set_result(None)
        if self._due:
            connection.send(self._due.popleft())
        else:
            self._free.append(connection)

    def failed(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))


async def latencies(
    port: int, request: bytes, rate: float, seconds: float, *, connections: int = 256
) -> list[float]:
    """Send `request` to 127.0.0.1:`port` `rate` times a second; return how long each answer took.

    Time counts from when a request was to be sent: who has to wait for a free connection waits (there is
    no coordinated omission). Raises `RuntimeError` for another status than 200 and for a lost connection.
    """
    loop = asyncio.get_running_loop()
    count = max(1, round(rate * seconds))
    shared = _Loop(request, count)
    kept = [
        (await loop.create_connection(lambda: _Connection(shared), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    for one in kept:
        shared.take(one)
    begun, sent = time.perf_counter(), 0
    while sent < count and not shared.done.done():
        now = time.perf_counter()
        while sent < count and begun + sent / rate <= now:
            shared.due(begun + sent / rate)
            sent += 1
        # Shorter than the loop's timers can be: yield, so that answers are read between two requests.
        await asyncio.sleep(0)
    await shared.done
    for one in kept:
        one.transport.close()
    return shared.found
