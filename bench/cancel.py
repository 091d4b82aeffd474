"""How long a cancellation takes: from the client's going away to the target's losing its connection.

Through one role alone, for each way in which a request can be under way.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.gateway import PATH, gateway
from bench.load import http_request
from bench.results import Section, Table, at_most, spread
from tacita.bhttp import Request, RequestHead, encode_request
from tacita.ohttp import media, oneshot
from tacita.ohttp.chunked import RequestSealer

__all__ = ["measure"]

_TEXT = """\
From the client's going away, in the middle of an answer, to the target's losing its connection: median
(least to most).
"""
_BEGUN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
)


class _Watched(asyncio.Protocol):
    """Begins an answer that never ends; tells when it was asked and when it was left."""

    def __init__(self, asked: "asyncio.Queue[_Watched]") -> None:
        self._asked = asked
        self.left: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if b"HTTP/1.1\r\n" in data:
            self._transport.write(_BEGUN)
            self._asked.put_nowait(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.left.set_result(time.perf_counter())


@asynccontextmanager
async def _target(asked: "asyncio.Queue[_Watched]") -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(lambda: _Watched(asked), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def measure(*, short: bool) -> Section:
    """Measure the delays through a gateway."""
    rounds = 20 if short else 300
    asked: asyncio.Queue[_Watched] = asyncio.Queue()
    section = Section("Cancellation", _TEXT)
    rows = []
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        async with (
            _target(asked) as port,
            gateway(Path(folder), {"sqlite": "spent.sqlite"}, token=False, target=port) as running,
        ):
            head = RequestHead(b"POST", b"http", running.authority, b"/v1/chat")
            plain = encode_request(Request(head, b"q" * 400))
            for name, kind in (("one-shot", media.REQUEST), ("chunked", media.CHUNKED_REQUEST)):
                delays = []
                for _ in range(rounds):
                    if kind == media.REQUEST:
                        body, _context = oneshot.encapsulate_request(running.config, plain)
                    else:
                        sealer = RequestSealer(running.config)
                        body = sealer.header() + sealer.finish(plain)
                    request = http_request(PATH, body, ("Content-Type", kind))
                    delays.append(1e3 * await _delay(running.port, request, asked))
                rows.append((f"gateway, {name}", spread(delays)))
                section.goals.append(at_most(f"cancellation through the gateway, {name}", delays, 100, " ms"))
    section.tables.append(Table(("", "ms"), rows))
    return section


async def _delay(port: int, request: bytes, asked: "asyncio.Queue[_Watched]") -> float:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    watched = await asked.get()
    # The gateway is given the time to take the beginning of the answer.
    await asyncio.sleep(0.005)
    begun = time.perf_counter()
    writer.transport.abort()
    return await watched.left - begun
