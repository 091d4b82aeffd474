"""How much memory relay and gateway hold: idle, with idle connections, while a long body streams through."""

import asyncio
import os
import resource
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.certificates import certificate
from bench.cpu import resident
from bench.gateway import PATH, Gateway, gateway
from bench.relay import DOCUMENTS, behind_relay, relay
from bench.relay import PATH as RELAY_PATH
from bench.results import Goal, Section, Table
from bench.targets import Answers
from tacita.bhttp import RequestEncoder, RequestHead
from tacita.ohttp import media
from tacita.ohttp.chunked import RequestSealer

__all__ = ["measure"]

_MIB = 1 << 20
_PIECE = 16_000
_AT_ONCE = 200
_TEXT = """\
Resident memory in MiB: idle, with connections that were opened and say nothing (at the gateway: that have
said half of a request's head), and the most while a body streams through and back at the same time.
"""
_BOUNDS = {"idle": 80.0, "idle connections": 32.0, "streamed": 32.0, "relay, idle connections": 250.0}


async def measure(*, short: bool) -> Section:
    """Measure everything."""
    size = (32 if short else 1024) * _MIB
    section = Section("Memory", _TEXT)
    rows: list[tuple[str, str]] = []
    section.tables.append(Table(("", "MiB"), rows))
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        await _of_gateway(section, rows, Path(folder), size, 100 if short else 1_000)
    await _idle_at_relay(section, rows, 200 if short else 10_000)
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        await _through_relay(section, rows, Path(folder), size)
    return section


def _row(
    section: Section, rows: list[tuple[str, str]], name: str, figure: float, bound: float | None
) -> None:
    rows.append((name, f"{figure:.1f}"))
    if bound is not None:
        section.goals.append(Goal(name, f"≤ {bound:.0f} MiB", f"{figure:.1f} MiB", figure <= bound))


async def _of_gateway(
    section: Section, rows: list[tuple[str, str]], folder: Path, size: int, connections: int
) -> None:
    budget = {"request_bytes": 2 * size + _MIB, "response_bytes": 2 * size + _MIB, "seconds": 600}
    async with (
        _sink({}) as port,
        gateway(folder, {"sqlite": "spent.sqlite"}, token=False, target=port, budget=budget) as running,
    ):
        idle = resident(running.pid)
        _row(section, rows, "gateway, idle", idle, _BOUNDS["idle"])
        begun = b"GET %b HTTP/1.1\r\nHost: bench\r\n" % PATH.encode()
        figure = await _with_idle(running.pid, running.port, connections, begun)
        bound = idle + _BOUNDS["idle connections"]
        _row(section, rows, f"gateway, {connections:,} idle connections", figure, bound)
        figure = await _streaming(running.pid, running.port, _through_gateway(running, size))
        _row(
            section, rows, f"gateway, {size // _MIB} MiB through and back", figure, idle + _BOUNDS["streamed"]
        )


async def _idle_at_relay(section: Section, rows: list[tuple[str, str]], count: int) -> None:
    # A descriptor for each end; the relay inherits the bound.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(count, most - 1_000)
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as name:
        shown = certificate(Path(name))
        async with behind_relay(Path(name)) as (pid, port):
            _row(section, rows, "relay, idle", resident(pid), None)
            figure = await _with_idle(pid, port, count, b"")
            bound = _BOUNDS["relay, idle connections"]
            _row(section, rows, f"relay, {count:,} idle connections", figure, bound)
        async with behind_relay(Path(name), tls=shown) as (pid, port):
            figure = await _with_idle(pid, port, count, b"", shown.client())
            _row(section, rows, f"relay, {count:,} idle connections, TLS", figure, None)


async def _through_relay(section: Section, rows: list[tuple[str, str]], folder: Path, size: int) -> None:
    limits = {"request_bytes": 2 * size, "response_bytes": 2 * size}
    async with _sink(DOCUMENTS) as port, relay(folder, port, limits=limits) as (pid, public):
        idle = resident(pid)
        figure = await _streaming(pid, public, _plain(size))
        bound = idle + _BOUNDS["streamed"]
        _row(section, rows, f"relay, {size // _MIB} MiB through and back", figure, bound)


async def _with_idle(
    pid: int, port: int, count: int, begun: bytes, tls: ssl.SSLContext | None = None
) -> float:
    loop = asyncio.get_running_loop()
    transports: list[asyncio.WriteTransport] = []

    async def one() -> None:
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port, ssl=tls)
        transport.write(begun)
        transports.append(transport)

    try:
        for done in range(0, count, _AT_ONCE):
            await asyncio.gather(*(one() for _ in range(min(_AT_ONCE, count - done))))
        await asyncio.sleep(0.5)
        if any(transport.is_closing() for transport in transports):
            raise RuntimeError("the server has closed idle connections")
        if (held := len(os.listdir(f"/proc/{pid}/fd"))) < count:  # noqa: PTH208  # counted, not walked
            raise RuntimeError(f"the server has {held} descriptors for {count} connections")
        return resident(pid)
    finally:
        for transport in transports:
            transport.abort()


def _through_gateway(running: Gateway, size: int) -> tuple[bytes, AsyncIterator[bytes]]:
    sealer, encoder = RequestSealer(running.config), RequestEncoder()

    async def pieces() -> AsyncIterator[bytes]:
        head = RequestHead(b"POST", b"http", running.authority, b"/")
        yield sealer.header() + sealer.seal(encoder.head(head))
        for _ in range(size // _PIECE):
            yield sealer.seal(encoder.content(bytes(_PIECE)))
        yield sealer.finish(encoder.end())

    return _head(PATH), pieces()


def _plain(size: int) -> tuple[bytes, AsyncIterator[bytes]]:
    piece = os.urandom(_PIECE)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // _PIECE):
            yield piece

    return _head(RELAY_PATH), pieces()


def _head(path: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {media.CHUNKED_REQUEST}\r\n"
        "Incremental: ?1\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()


async def _streaming(pid: int, port: int, sent: tuple[bytes, AsyncIterator[bytes]]) -> float:
    """Return the most that `pid` holds while what is `sent` goes through it and comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head, pieces = sent

    async def send() -> None:
        writer.write(head)
        async for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    sending = asyncio.create_task(send())
    most, taken, tail = 0.0, 0, b""
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        piece = await reader.read(_MIB)
        if not piece:
            raise RuntimeError(f"the answer broke off after {taken} bytes")
        tail = (tail + piece)[-7:]
        if taken // (8 * _MIB) != (taken := taken + len(piece)) // (8 * _MIB):
            most = max(most, resident(pid))
    await sending
    writer.close()
    return max(most, resident(pid))


class _Sink(asyncio.Protocol):
    """Takes a body and gives back as many bytes as it took, chunk by chunk; GET gives documents."""

    def __init__(self, documents: Answers) -> None:
        self._documents = documents
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            kind, body = self._documents[data.split(b" ", 2)[1]]
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)
            return
        if not self._begun:
            self._begun = True
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
                % media.CHUNKED_RESPONSE.encode()
            )
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        if data.endswith(b"\r\n0\r\n\r\n") or data == b"0\r\n\r\n":
            self._transport.write(b"0\r\n\r\n")

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()


@asynccontextmanager
async def _sink(documents: Answers) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(lambda: _Sink(documents), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
