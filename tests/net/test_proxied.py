"""Connections that a balancer brings: header and handshake, plain and TLS, and who is not heard."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest
from support.certificates import self_signed

from tacita.net import proxied
from tacita.net.tls import client_context, server_context

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
V2 = bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc0000201c6336407dc0401bb")
V2_LONG = (
    bytes.fromhex("0d0a0d0a000d0a515549540a2121002b")
    + bytes.fromhex("20010db8000000000000000000000001") * 2
    + b"\xdc\x04\x01\xbb"
    + b"\x03\x00\x04abcd"
)
LOCAL = bytes.fromhex("0d0a0d0a000d0a515549540a20000000")
UNKNOWN = b"PROXY UNKNOWN\r\n"

CLIENTS = {V1: "192.0.2.1", V2: "192.0.2.1", V2_LONG: "2001:db8::1", LOCAL: "127.0.0.1", UNKNOWN: "127.0.0.1"}


class Echo(asyncio.Protocol):
    """Says back what it hears."""

    transport: asyncio.Transport

    def __init__(self, server: "Server", source: str) -> None:
        self._server = server
        self._source = source

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._server.open.add(self)
        self._server.sources.append(self._source)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.open.discard(self)


@dataclass(eq=False)
class Server:
    """A listener, and where its connections came from."""

    port: int = 0
    sources: list[str] = field(default_factory=list)
    open: set[Echo] = field(default_factory=set)

    async def gone(self) -> None:
        """Wait until no connection is open."""
        while self.open:  # noqa: ASYNC110 - there is no event of all
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(
    networks: tuple[str, ...] = ("127.0.0.0/8",),
    context: ssl.SSLContext | None = None,
    header_seconds: float = 30.0,
) -> AsyncIterator[Server]:
    server = Server()
    listener = await proxied.listen(
        "127.0.0.1",
        0,
        lambda source: Echo(server, source),
        [ip_network(network) for network in networks],
        ssl=context,
        header_seconds=header_seconds,
    )
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
        await server.gone()
    finally:
        await listener.abandon()


@dataclass
class Balancer:
    """A connection whose header is said in pieces before anything else."""

    port: int
    tls: ssl.SSLContext | None = None

    async def ask(self, *pieces: bytes, message: bytes = b"hello") -> bytes:
        """Send header `pieces` and, behind the last one, `message`; return what comes back."""
        loop = asyncio.get_running_loop()
        one = socket.create_connection(("127.0.0.1", self.port))
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces[:-1]:
            await loop.sock_sendall(one, piece)
            await asyncio.sleep(0.01)
        # In the clear it comes in one segment with the message, of which nothing must be lost.
        await loop.sock_sendall(one, pieces[-1] + (message if self.tls is None else b""))
        name = None if self.tls is None else "127.0.0.1"
        reader, writer = await asyncio.open_connection(sock=one, ssl=self.tls, server_hostname=name)
        if self.tls is not None:
            writer.write(message)
        answer = await reader.readexactly(len(message))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        return answer

    async def refused(self, data: bytes, *, half: bool = False) -> None:
        """Send `data` and expect to be closed without a word; `half`: say that no more comes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with suppress(ConnectionError):
            writer.write(data)
            if half:
                writer.write_eof()
            assert await reader.read() == b""
        writer.close()


@pytest.fixture(params=["plain", "tls"])
def contexts(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return the server's and the client's."""
    if request.param == "plain":
        return None, None
    certificate, key = self_signed(tmp_path)
    return server_context(certificate, key), client_context(certificate)


Contexts = tuple[ssl.SSLContext | None, ssl.SSLContext | None]


@pytest.mark.parametrize("header", CLIENTS, ids=["v1", "v2", "v2-extended", "local", "unknown"])
async def test_the_address_is_the_one_in_the_header(contexts: Contexts, header: bytes) -> None:
    async with running(context=contexts[0]) as server:
        assert await Balancer(server.port, contexts[1]).ask(header) == b"hello"
        assert server.sources == [CLIENTS[header]]


@pytest.mark.parametrize("header", [V1, V2, V2_LONG], ids=["v1", "v2", "v2-extended"])
async def test_a_header_may_come_byte_by_byte(contexts: Contexts, header: bytes) -> None:
    async with running(context=contexts[0]) as server:
        pieces = [header[place : place + 1] for place in range(len(header))]
        assert await Balancer(server.port, contexts[1]).ask(*pieces) == b"hello"
        assert server.sources == [CLIENTS[header]]


@pytest.mark.parametrize("header", [V1, V2_LONG], ids=["v1", "v2-extended"])
async def test_nothing_behind_the_header_is_lost_wherever_it_is_cut(header: bytes) -> None:
    async with running() as server:
        for cut in range(1, len(header), 5):
            answer = await Balancer(server.port).ask(header[:cut], header[cut:], message=bytes(5000))
            assert answer == bytes(5000)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        V1.replace(b"192.0.2.1", b"192.0.2.x") + b"hello",
        V2[:12] + b"\x31" + V2[13:] + b"hello",
        V2[:14] + b"\xff\xff" + V2[16:],
        b"PROXY " + b"x" * 200,
    ],
)
async def test_what_begins_with_no_header_is_not_heard(data: bytes) -> None:
    async with running() as server:
        await Balancer(server.port).refused(data)
        assert not server.sources
        assert await Balancer(server.port).ask(V1) == b"hello"


@pytest.mark.parametrize("begin", [b"", V1[:10], V2[:14], V2[:20]])
async def test_a_header_that_does_not_come_is_not_waited_for(begin: bytes) -> None:
    async with running(header_seconds=0.05) as server:
        await Balancer(server.port).refused(begin)
        assert not server.sources


@pytest.mark.parametrize("begin", [b"", V1[:10], V2[:20]])
async def test_a_peer_that_ends_within_its_header_is_closed(begin: bytes) -> None:
    async with running() as server:
        await Balancer(server.port).refused(begin, half=True)
        assert not server.sources


@pytest.mark.parametrize("networks", [("192.0.2.0/24",), ("::1/128", "127.0.0.2/32")])
async def test_from_elsewhere_any_address_could_be_said(networks: tuple[str, ...]) -> None:
    async with running(networks) as server:
        await Balancer(server.port).refused(V1 + b"hello")
        assert not server.sources


async def test_a_handshake_that_fails_is_the_peers_affair(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with running(context=server_context(certificate, key)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(V2 + b"no handshake, and long enough to be told from one")
        # An alert of TLS may come, and then the end.
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        assert await Balancer(server.port, client_context(certificate)).ask(V2) == b"hello"


async def test_closing_ends_no_connection_and_takes_none() -> None:
    server = Server()
    listener = await proxied.listen(
        "127.0.0.1", 0, lambda source: Echo(server, source), [ip_network("127.0.0.0/8")]
    )
    port = listener.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(V1 + b"one")
    assert await reader.readexactly(3) == b"one"
    listener.close()
    with suppress(ConnectionRefusedError):
        while True:
            _, late = await asyncio.open_connection("127.0.0.1", port)
            late.close()
            await asyncio.sleep(0.01)
    writer.write(b"two")
    assert await reader.readexactly(3) == b"two"
    writer.close()
    await server.gone()
    await listener.abandon()


async def test_an_address_that_is_taken_is_an_error() -> None:
    async with running() as server:
        with pytest.raises(OSError, match="in use"):
            await proxied.listen("127.0.0.1", server.port, lambda _: asyncio.Protocol(), [])
