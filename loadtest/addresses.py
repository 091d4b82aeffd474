"""Who may be loaded: this machine, and hosts that the operator says are theirs.

A load tool is a weapon where it is pointed at others. Every address that load goes to is
resolved once, here; each connection then goes to the very address that was looked at, so
that a name cannot answer differently the second time.
"""

import socket
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from loadtest.errors import AddressRefused, TargetDown
from tacita.net.urls import split

__all__ = ["Address", "is_loopback", "permitted"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where connections go, and what is said there: `ip` and `port`; `host` as TLS and HTTP have it."""

    ip: str
    port: int
    host: str
    tls: bool
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def permitted(url: str, operated: Collection[str]) -> Address:
    """Return where `url` is, if load may go there.

    It may if every address of the host is a loopback address, or if `operated` has the host by the
    name that stands in the URL.

    Raises:
        AddressRefused: it may not.
        TargetDown: the name cannot be resolved.
        ConfigError: `url` is not an http or https URL.
    """
    origin, path = split(url)
    parts = urlsplit(origin)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise TargetDown("The name of a host in the endpoints cannot be resolved; check it.") from None
    addresses = [str(entry[4][0]) for entry in found]
    named = {one.strip("[]").lower() for one in operated}
    if host.lower() not in named and not all(is_loopback(one) for one in addresses):
        raise AddressRefused(
            f"{host} is not this machine, and load on somebody else's is an attack; "
            f"if you operate it, say so with --i-operate {host}."
        )
    return Address(addresses[0], port, host, parts.scheme == "https", path)


def is_loopback(address: str) -> bool:
    """Whether the textual IP address is one of this machine's loopback addresses, IPv4 inside IPv6 too."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback
