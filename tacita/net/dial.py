"""Making a connection: a name is resolved once, and what was found acceptable is what is connected to.

Whoever controls a name can have it point anywhere, to this machine's own services among it, and
elsewhere a moment later. Addresses are therefore judged one by one after the name was resolved,
and the very address that was judged is opened; the name is not looked up again.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from ssl import SSLContext, SSLError
from typing import Any
from urllib.parse import urlsplit

from tacita.net.connection import Connection
from tacita.net.errors import UpstreamUnreachable

__all__ = ["Address", "Dialler", "Policy", "anywhere", "may_be_public", "public_only"]

Address = IPv4Address | IPv6Address

Policy = Callable[[Address], bool]
"""Whether an address may be connected to."""

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""RFC 6052, Section 2.1, and RFC 8215: the IPv4 address is in the last 32 bits."""

_COMPATIBLE = IPv6Network("::/96")
"""RFC 4291, Section 2.5.5.1: deprecated, still routed by some."""


def anywhere(_address: Address) -> bool:
    """Accept every address: where to connect is the operator's own choice."""
    return True


def public_only(address: Address) -> bool:
    """Accept what is routed on the public internet, and no other address in disguise.

    Refused are private, shared, loopback, link-local, multicast, reserved and unspecified addresses,
    and IPv6 addresses that carry such an IPv4 address: mapped, compatible, 6to4, NAT64.
    """
    if isinstance(address, IPv6Address):
        carried = _carried(address)
        if carried is not None:
            return public_only(carried)
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    )


def may_be_public(url: str) -> bool:
    """Whether the host of `url` is a name, about which nothing is known yet, or a public address."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
    return public_only(address)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that `address` leads to, if it leads to one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _COMPATIBLE or any(address in network for network in _NAT64):
        return IPv4Address(address.packed[-4:])
    return None


class Dialler:
    """Opens connections to `host` and `port`, or to the socket `unix`, each made by `factory`.

    With `tls` the server has to prove the name `host`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        unix: Path | None,
        tls: SSLContext | None,
        policy: Policy,
        factory: Callable[[], Connection],
    ) -> None:
        self._host = host
        self._port = port
        self._unix = unix
        self._tls = tls
        self._policy = policy
        self._factory = factory

    async def open(self, seconds: float) -> Connection:
        """Return a new connection, made within `seconds`.

        Raises:
            UpstreamUnreachable: nobody answers at any address that may be connected to.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            async with asyncio.timeout_at(until):
                if self._unix is not None:
                    _, connection = await loop.create_unix_connection(self._factory, str(self._unix))
                    return connection
                places = await self._places()
        except (OSError, UnicodeError):
            # `TimeoutError` is an `OSError`; a name that cannot be a host's is a `UnicodeError`.
            raise UpstreamUnreachable from None
        for tries_left in range(len(places), 0, -1):
            try:
                # One that never answers leaves time for those behind it.
                async with asyncio.timeout((until - loop.time()) / tries_left):
                    return await self._connect(*places[-tries_left])
            except (OSError, SSLError):
                continue
        raise UpstreamUnreachable

    async def _places(self) -> list[tuple[int, tuple[Any, ...]]]:
        """Return family and address of each place that may be connected to, the preferred first."""
        return [
            (family, place)
            for family, _, _, _, place in await self._found()
            if isinstance(place[0], str) and self._policy(ip_address(place[0]))
        ]

    async def _found(self) -> list[tuple[Any, ...]]:
        loop = asyncio.get_running_loop()
        return list(await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))

    @staticmethod
    def _socket(family: int) -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM)

    async def _connect(self, family: int, place: tuple[Any, ...]) -> Connection:
        loop = asyncio.get_running_loop()
        made = self._socket(family)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, place)
            _, connection = await loop.create_connection(
                self._factory,
                sock=made,
                ssl=self._tls,
                server_hostname=self._host if self._tls is not None else None,
            )
        except BaseException:
            made.close()
            raise
        return connection
