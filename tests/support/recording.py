"""A gateway over TLS that records all that it could know its callers by, and people who differ in it all."""

import asyncio
import os
import random
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support import raw_http
from support.relays import documents

from tacita.net import tls

__all__ = ["Caller", "Recorder", "Seen", "recorder_running"]

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-res\r\nContent-Length: 416\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the gateway sees it: on which connection, its head, and what it holds."""

    connection: int
    head: bytes
    body: bytes


@dataclass
class Recorder:
    """What has been recorded."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    peers: set[str] = field(default_factory=set)
    sessions: set[tuple[object, ...]] = field(default_factory=set)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Record a connection."""
        number = self.connections
        self.connections += 1
        session = writer.get_extra_info("ssl_object")
        self.peers.add(writer.get_extra_info("peername")[0])
        self.sessions.add(
            (
                session.version(),
                session.cipher(),
                session.selected_alpn_protocol(),
                session.session_reused,
                session.getpeercert(binary_form=True),
            )
        )
        published = documents()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await raw_http.read_head(reader)
                if head.startswith(b"GET "):
                    writer.write(published[head.split(b" ")[1].decode()])
                    continue
                body = await raw_http.read_body(reader, head)
                self.seen.append(Seen(number, head, body))
                await asyncio.sleep(random.uniform(0.001, 0.01))
                writer.write(_ANSWER + os.urandom(416))
        writer.close()


@asynccontextmanager
async def recorder_running(certificate: Path, key: Path) -> AsyncIterator[Recorder]:
    """Run a recording gateway."""
    recorder = Recorder()
    context = tls.server_context(certificate, key)
    # As careless as a gateway can be: it would let sessions be resumed.
    context.num_tickets = 2
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0, ssl=context)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()


class Caller:
    """One client, who differs from the others in everything that a client can choose.

    Its address, its TLS (curves, ALPN, resumption, server name), its header fields with their order and case,
    how it cuts what it sends, how many requests it makes on a connection, and when.
    """

    def __init__(self, number: int, authority: Path, think_seconds: float) -> None:
        self.number = number
        self._think_seconds = think_seconds
        self._random = random.Random(number)
        self._address = f"127.0.1.{number + 1}"
        self._context = ssl.create_default_context(cafile=authority)
        self._context.check_hostname = number % 3 != 0
        self._context.set_ecdh_curve(("X25519", "prime256v1", "secp384r1")[number % 3])
        if number % 2:
            self._context.set_alpn_protocols(["http/1.1"])
        self._each = (1, 2, 3, 5, 1000)[number % 5]
        self._fields = self._own_fields()

    def _own_fields(self) -> list[str]:
        one = self.number
        own = [
            f"User-Agent: client/{one}",
            f"Cookie: id={one:032x}; session={one * 7919}",
            f"Accept: */*;q=0.{one % 10}",
            f"Accept-Language: {('rm', 'de', 'fr', 'it')[one % 4]}",
            f"X-Forwarded-For: 192.0.2.{one}",
            f"Forwarded: for=198.51.100.{one}",
            f"Via: 1.1 proxy-{one}",
            f"Traceparent: 00-{one:032x}-{one:016x}-01",
            f"Priority: u={one % 8}",
            f"Date: Tue, 24 Nov 2026 10:{one % 60:02}:00 GMT",
            f"Incremental: ?0;client={one}",
        ][: 3 + one % 9]
        self._random.shuffle(own)
        return [field.lower() if one % 2 else field for field in own]

    def _pieces(self, body: bytes) -> Sequence[bytes]:
        kind = ("message/ohttp-req", "Message/OHTTP-Req", f"message/ohttp-req; v={self.number}")[
            self.number % 3
        ]
        fields = [*self._fields, f"Content-Type: {kind}", f"Host: relay-{self.number % 4}.example"]
        self._random.shuffle(fields)
        start = f"POST /one?from={self.number} HTTP/1.1\r\n" + "\r\n".join(fields)
        if self.number % 4 == 0:
            half = len(body) // 2
            sized = (b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))
            return [f"{start}\r\nTransfer-Encoding: chunked\r\n\r\n".encode(), *sized, b"0\r\n\r\n"]
        head = f"{start}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return [head + body] if self.number % 4 == 1 else [head, body[:100], body[100:]]

    async def call(self, port: int, count: int, bodies: dict[bytes, int]) -> None:
        """Make `count` requests; note in `bodies` which are this caller's."""
        made = 0
        while made < count:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                port,
                ssl=self._context,
                server_hostname="127.0.0.1",
                local_addr=(self._address, 0),
            )
            for _ in range(min(self._each, count - made)):
                await asyncio.sleep(self._random.uniform(0, 2 * self._think_seconds))
                body = os.urandom(416)
                bodies[body] = self.number
                for piece in self._pieces(body):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                head = await raw_http.read_head(reader)
                assert head.startswith(b"HTTP/1.1 200 "), head
                await raw_http.read_body(reader, head)
                made += 1
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
