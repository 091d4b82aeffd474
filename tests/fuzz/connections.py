"""What stands at the beginning of a connection or in a configuration: PROXY headers, URLs."""

from collections.abc import Iterator

from support.fuzzing import pick, total

from tacita.net import proxy_protocol
from tacita.net.urls import origin_of


def _proxy(data: bytes) -> None:
    size = total(proxy_protocol.length, data)
    if size is not None and size <= len(data):
        assert total(proxy_protocol.length, data[:size]) == size
        total(proxy_protocol.decode, data[:size])


def _url(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    origin = total(lambda _: origin_of(text), data)
    if origin is not None:
        assert origin_of(origin) == origin


_CHOICES = (_proxy, _url)


def one(data: bytes) -> None:
    """Any bytes are a value or an error of the tree; an origin is the origin of itself."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    yield b"\0PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET"
    yield b"\0PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"
    yield b"\0" + bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc0000201c6336407dc0401bb")
    yield b"\0" + bytes.fromhex("0d0a0d0a000d0a515549540a20000000")
    yield b"\1https://A.example:443/path?x=1"
    yield b"\1http://[::1]:8080/"
