"""Accepting connections that a load balancer brings: its PROXY header comes before everything else.

    listener = await proxied.listen(host, port, factory, networks, ssl=context)
    ...
    listener.close()
    await listener.abandon()

The header is in the clear and before the TLS handshake, so that it has to be read from the socket before
a transport is made of that, and not one byte more than it. That is done by looking at what is there without
taking it (MSG_PEEK) and taking what is known to be the header's.

Whoever connects from elsewhere than `networks` could say any address: it is closed unheard. So is what
begins with no header, or with one that takes too long.
"""

import asyncio
import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

from tacita.errors import DecodeError
from tacita.net import proxy_protocol

__all__ = ["HEADER_SECONDS", "Network", "ProxiedListener", "listen"]

HEADER_SECONDS = 5.0
"""haproxy: its own `timeout client-hs` is 3 to 5 s in the manual's examples; a balancer says it at once."""

_MOST_BEGINNING = 1024
"""Connections whose header has not been read yet; balancers send it at once."""

_RETRY_SECONDS = 1.0
"""As asyncio's own servers wait, when no further socket can be opened."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Factory = Callable[[str], asyncio.Protocol]
"""Returns the protocol of a new connection that comes from the address that it is given."""


class ProxiedListener:
    """Accepts on `sockets`, which listen."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        factory: Factory,
        networks: Sequence[Network],
        ssl: ssl.SSLContext | None,
        header_seconds: float,
    ) -> None:
        self.sockets = tuple(sockets)
        self._factory = factory
        self._networks = tuple(networks)
        self._ssl = ssl
        self._header_seconds = header_seconds
        self._reading = 0
        self._beginning: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []
        for one in self.sockets:
            task = asyncio.create_task(self._accept(one))
            # Not before: the loop must not watch a descriptor that is somebody else's by then.
            task.add_done_callback(lambda _, one=one: one.close())  # type: ignore[misc]
            self._accepting.append(task)

    def close(self) -> None:
        """Accept no further connections. As with `asyncio.Server`, that ends none."""
        for task in self._accepting:
            task.cancel()

    async def abandon(self) -> None:
        """Close, and give up those connections whose header or handshake is not over."""
        self.close()
        tasks = [*self._accepting, *self._beginning]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:
                # What else can be wrong is wrong with one connection, which is gone.
                await asyncio.sleep(_RETRY_SECONDS if error.errno in _EXHAUSTED else 0)
                continue
            if not self._is_trusted(peer[0]) or self._reading >= _MOST_BEGINNING:
                connection.close()
                continue
            connection.setblocking(False)
            task = asyncio.create_task(self._begin(connection, peer[0]))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    def _is_trusted(self, peer: str) -> bool:
        address = ipaddress.ip_address(peer.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    async def _begin(self, connection: socket.socket, peer: str) -> None:
        source: str | None = None
        self._reading += 1
        try:
            async with asyncio.timeout(self._header_seconds):
                told = proxy_protocol.decode(await _header(connection))
            # The balancer's own check of our health: the connection is what it seems to be (section 2.2).
            source = peer if told is None else str(told)
        except (DecodeError, TimeoutError, OSError, EOFError):
            pass
        finally:
            self._reading -= 1
            if source is None:
                connection.close()
        if source is not None:
            await self._hand_over(connection, source)

    async def _hand_over(self, connection: socket.socket, source: str) -> None:
        loop = asyncio.get_running_loop()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A handshake that fails concerns the peer alone; the socket is closed by then.
        with suppress(OSError):
            await loop.connect_accepted_socket(lambda: self._factory(source), connection, ssl=self._ssl)


async def listen(
    host: str,
    port: int,
    factory: Factory,
    networks: Sequence[Network],
    *,
    ssl: ssl.SSLContext | None = None,
    backlog: int = 1024,
    shared: bool = False,
    header_seconds: float = HEADER_SECONDS,
) -> ProxiedListener:
    """Accept what comes from `networks` to `port` of every address of `host`; `shared` with other processes.

    Raises:
        OSError: the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, place in dict.fromkeys((family, place) for family, _, _, _, place in found):
            sockets.append(_listening(family, place, backlog, shared=shared))
    except OSError:
        for one in sockets:
            one.close()
        raise
    return ProxiedListener(sockets, factory, networks, ssl, header_seconds)


def _listening(family: int, place: tuple[object, ...], backlog: int, *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setblocking(False)
        one.bind(place)
        one.listen(backlog)
    except BaseException:
        one.close()
        raise
    return one


async def _header(connection: socket.socket) -> bytes:
    """Take a whole header off `connection`, and nothing behind it.

    Raises:
        DecodeError: there is none.
        EOFError: the peer has closed the connection.
        OSError: it has broken.
    """
    header = b""
    while True:
        await _readable(connection)
        there = connection.recv(proxy_protocol.LONGEST, socket.MSG_PEEK)
        if not there:
            raise EOFError
        size = proxy_protocol.length(header + there)
        # As long as the length cannot be told, all that is there belongs to it.
        own = len(there) if size is None else min(len(there), size - len(header))
        header += connection.recv(own)
        if len(header) == size:
            return header


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    loop.add_reader(connection, wake)
    try:
        await waiter
    finally:
        loop.remove_reader(connection)
