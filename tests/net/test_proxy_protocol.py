"""The PROXY header: both versions, every refusal, and that it is never longer than it says."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.errors import DecodeError, TacitaError
from tacita.net import proxy_protocol
from tacita.net.proxy_protocol import LONGEST

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
V4 = IPv4Address("192.0.2.1")
V6 = IPv6Address("2001:db8::1")


def binary(command: int, family: int, payload: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(payload).to_bytes(2) + payload


def of(address: IPv4Address | IPv6Address, extensions: bytes = b"") -> bytes:
    family = 0x11 if address.version == 4 else 0x21
    return binary(0x21, family, address.packed * 2 + b"\x30\x39\x01\xbb" + extensions)


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", V4),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", V6),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN whatever a balancer says here\r\n", None),
        (of(V4), V4),
        (of(V6), V6),
        (of(V6, b"\x04\x00\x03abc"), V6),
        (binary(0x20, 0x00, b""), None),
        (binary(0x20, 0x11, b"ignored"), None),
        (binary(0x21, 0x00, b""), None),
        (binary(0x21, 0x31, bytes(216)), None),
    ],
)
def test_headers_of_the_specification(header: bytes, address: ipaddress.IPv4Address | None) -> None:
    assert proxy_protocol.length(header) == len(header)
    assert proxy_protocol.length(header + b"\x16\x03\x01") == len(header)
    assert proxy_protocol.decode(header) == address
    for end in range(len(header)):
        assert proxy_protocol.length(header[:end]) in (None, len(header))


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.7 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.7 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\xff\r\n",
        b"PROXY " + b"x" * 101,
        binary(0x22, 0x11, bytes(12)),
        binary(0x11, 0x11, bytes(12)),
        binary(0x21, 0x13, bytes(12)),
        binary(0x21, 0x11, bytes(11)),
        binary(0x21, 0x21, bytes(35)),
        binary(0x21, 0x11, bytes(LONGEST - 15)),
    ],
)
def test_what_is_no_header_is_refused(header: bytes) -> None:
    with pytest.raises(DecodeError):
        proxy_protocol.decode(header)


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", of(V4)])
def test_decode_takes_exactly_one_header(header: bytes) -> None:
    for wrong in (header[:-1], header + b"\0", b""):
        with pytest.raises(DecodeError):
            proxy_protocol.decode(wrong)


@given(st.ip_addresses())
def test_every_address_comes_out_of_both_versions(address: IPv4Address | IPv6Address) -> None:
    assert proxy_protocol.decode(of(address)) == address
    line = f"PROXY TCP{address.version} {address} {address} 1 2\r\n".encode()
    assert proxy_protocol.decode(line) == address


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda rest: SIGNATURE + rest))
def test_anything_else_is_an_error_of_the_tree(data: bytes) -> None:
    try:
        size = proxy_protocol.length(data)
        if size is not None and size <= len(data):
            proxy_protocol.decode(data[:size])
    except TacitaError:
        pass
