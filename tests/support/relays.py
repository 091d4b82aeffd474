"""A relay inside the test's process, in front of a gateway that records the bytes it gets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support import raw_http

from relay.app import build
from relay.config import GatewayConfig, Limits, MirrorLimits, RelayConfig
from tacita.service.config import Listen
from tacita.service.listening import serving
from tacita.service.run import Service, public

__all__ = [
    "ANSWER",
    "CHUNKED",
    "CHUNKED_ANSWER",
    "Gateway",
    "Relay",
    "documents",
    "gateway_running",
    "relay_of",
    "relay_running",
    "request",
]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nContent-Length: 6\r\n\r\nanswer"

CHUNKED = (
    b"POST /one HTTP/1.1\r\nHost: relay.example\r\nContent-Type: message/ohttp-chunked-req\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
CHUNKED_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nTransfer-Encoding: chunked\r\n\r\n"
)

Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def documents() -> dict[str, bytes]:
    """Return the answers to a gateway's and its issuer's GET requests, by path."""
    return {
        path: b"HTTP/1.1 200 OK\r\nServer: x\r\nETag: \"cookie\"\r\nSet-Cookie: a=b\r\nContent-Type: %b\r\n"
        b"Cache-Control: public, max-age=600\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)
        for path, kind, body in (
            ("/message", b"application/ohttp-keys", b"\x00\x03\xff\xfe\xfd"),
            ("/challenge", b"application/json", b'{"challenge": "AAAA"}'),
            ("/directory", b"application/private-token-issuer-directory", b'{"token-keys": []}'),
        )
    }  # fmt: skip


@dataclass
class Gateway:
    """`answer` gets the head of each POST and the connection; GETs are answered from `documents`."""

    port: int = 0
    documents: dict[str, bytes] = field(default_factory=documents)
    answer: Answer | None = None
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    gets: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await raw_http.read_head(reader)
            if head.startswith(b"GET "):
                self.gets.append(head)
                writer.write(self.documents[head.split(b" ")[1].decode()])
                continue
            self.heads.append(head)
            if self.answer is not None:
                await self.answer(head, reader, writer)
            else:
                self.bodies.append(await raw_http.read_body(reader, head))
                writer.write(ANSWER)
            await writer.drain()

    def table(
        self, name: str = "one", *, origin: str = "", mirror: MirrorLimits | None = None, **more: Any
    ) -> GatewayConfig:
        """Return this gateway's table in a relay's configuration; `more` are its further keys."""
        origin = origin or f"http://127.0.0.1:{self.port}"
        return GatewayConfig(
            name=name,
            url=f"{origin}/message",
            challenge_url=f"{origin}/challenge",
            issuer_directory_url=f"{origin}/directory",
            mirror=mirror or MirrorLimits(),
            **more,
        )

    def config(
        self, limits: Limits | None = None, mirror: MirrorLimits | None = None, **more: Any
    ) -> RelayConfig:
        return relay_of(self.table(mirror=mirror, limits=limits or Limits(), **more))


def relay_of(*gateways: GatewayConfig) -> RelayConfig:
    """Return the configuration of a relay for `gateways`."""
    return RelayConfig(listen=Listen(), admin=Listen(), gateways=gateways, drain_seconds=5.0)


@dataclass(frozen=True)
class Relay:
    """A relay that serves on `port`."""

    port: int
    service: Service

    async def take(self, config: RelayConfig) -> None:
        """Have the relay take `config` anew, as the shell does on SIGHUP."""
        assert self.service.reconfigure is not None
        await self.service.reconfigure(config)

    def counted(self, result: str) -> float:
        """Return how many exchanges ended with `result`."""
        for line in self.service.metrics.render().decode().splitlines():
            if line.startswith(f'tacita_relay_exchanges_total{{result="{result}"}}'):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"there is no result {result}")

    async def until(self, result: str) -> None:
        """Wait until one exchange has ended with `result`."""
        while not self.counted(result):  # noqa: ASYNC110 - metrics have no event
            await asyncio.sleep(0.01)

    async def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """Send `data` on a connection of its own; return the answer's head and body."""
        async with raw_http.connection(self.port) as (reader, writer):
            writer.write(data)
            head = await raw_http.read_head(reader)
            return head, await raw_http.read_body(reader, head)


@asynccontextmanager
async def gateway_running() -> AsyncIterator[Gateway]:
    """Run a gateway."""
    gateway = Gateway()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Looked up each time: tests put another one in its place.
        await gateway.handle(reader, writer)

    async with raw_http.serving(handle) as port:
        gateway.port = port
        yield gateway


@asynccontextmanager
async def relay_running(config: RelayConfig, *, wait: bool = True) -> AsyncIterator[Relay]:
    """Run a relay as the shell does, and wait until it has its documents."""
    service = await build(config)
    async with serving(public(service)) as port:
        while wait and not service.readiness.ready:  # noqa: ASYNC110 - as the shell waits
            await asyncio.sleep(0.01)
        yield Relay(port.port, service)


def request(
    body: bytes = b"sealed", kind: str = "message/ohttp-req", extra: str = "", *, path: str = "/one"
) -> bytes:
    """Return a whole POST with a known length."""
    head = f"POST {path} HTTP/1.1\r\nHost: relay.example\r\nContent-Type: {kind}\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
