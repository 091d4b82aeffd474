"""The header that a load balancer puts before a connection: PROXY protocol, versions 1 and 2.

It says from where the balancer's own client connected, which is all that is taken from it. The
specification is HAProxy's doc/proxy-protocol.txt. Pure functions on bytes: `length` tells how many bytes
are the header's, so that not one byte of what follows (a TLS handshake, say) need be read to know.
"""

import ipaddress
import re

from tacita.errors import DecodeError

__all__ = ["LONGEST", "Address", "decode", "length"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 1024
"""Version 1 ends within 107 bytes (section 2.1). Version 2 could announce 65,535 bytes of extensions;
what balancers send (a name, a TLS summary, an endpoint's id) stays far below this."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LONGEST_LINE = 107
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")

_LOCAL, _PROXY = 0x20, 0x21
_SIZES = {0x11: (12, 4), 0x12: (12, 4), 0x21: (36, 16), 0x22: (36, 16)}
"""For TCP and UDP over IPv4 and IPv6: the bytes of both ends together, and of one address (section 2.2)."""


def length(begin: bytes) -> int | None:
    """Return how many bytes the header has that `begin`s a connection; None while more is needed to tell.

    Raises:
        DecodeError: it begins with no header, or with one that is longer than `LONGEST`.
    """
    if _SIGNATURE.startswith(begin[:12]):
        if len(begin) < 16:
            return None
        size = 16 + int.from_bytes(begin[14:16])
        if size > LONGEST:
            raise DecodeError("The PROXY header is longer than 1,024 bytes.")
        return size
    end = begin.find(b"\r\n", 0, _LONGEST_LINE)
    if not b"PROXY ".startswith(begin[:6]) or (end < 0 and len(begin) >= _LONGEST_LINE):
        raise DecodeError("The connection does not begin with a PROXY header; check the load balancer.")
    return None if end < 0 else end + 2


def decode(header: bytes) -> Address | None:
    """Return the source address in a whole `header`; None where it speaks of no client.

    That is the balancer's own health check (LOCAL), or a family that has no address (UNKNOWN).

    Raises:
        DecodeError: it is malformed, or not exactly one header.
    """
    if length(header) != len(header):
        raise DecodeError("The PROXY header is cut short, or something follows it.")
    return _binary(header) if header.startswith(_SIGNATURE) else _line(header)


def _line(header: bytes) -> Address | None:
    try:
        words = header[:-2].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise _malformed() from None
    if words[1] == "UNKNOWN":
        return None
    if len(words) != 6 or not all(_PORT.fullmatch(port) and int(port) < 65_536 for port in words[4:]):
        raise _malformed()
    try:
        return _address(words[1], words[2], destination=words[3])
    except ValueError:
        raise _malformed() from None


def _address(kind: str, source: str, *, destination: str) -> Address:
    """Return the source address; both ends are of the kind that is named. Raises `ValueError`."""
    if kind == "TCP4":
        ipaddress.IPv4Address(destination)
        return ipaddress.IPv4Address(source)
    if kind != "TCP6" or "%" in source:
        raise ValueError
    ipaddress.IPv6Address(destination)
    return ipaddress.IPv6Address(source)


def _binary(header: bytes) -> Address | None:
    command, family = header[12], header[13]
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise _malformed()
    if family in (0x00, 0x31, 0x32):  # unspecified, or unix sockets
        return None
    ends, size = _SIZES.get(family, (0, 0))
    if not ends or len(header) < 16 + ends:
        raise _malformed()
    source = header[16 : 16 + size]
    return ipaddress.IPv4Address(source) if size == 4 else ipaddress.IPv6Address(source)


def _malformed() -> DecodeError:
    return DecodeError("The PROXY header is malformed; check the load balancer.")
