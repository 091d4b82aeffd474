"""Request smuggling against the whole gateway: what is hidden behind a message never reaches the target.

What the two parsers refuse is tested in tests/net/lane; here a good message is the bait, which the target
would see if anything took it for a request.
"""

import pytest
from support import raw_http
from support.gateways import AUTHORITY, PATH, Gateway, Place, get, message
from support.ways import WAYS, way_in

from tacita import bhttp
from tacita.ohttp import media, oneshot

START = f"POST {PATH} HTTP/1.1\r\nHost: {AUTHORITY}\r\nContent-Type: {media.REQUEST}\r\n"

HEADS = {
    "CL and TE": f"{START}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": f"{START}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": f"{START}Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "a list of lengths": f"{START}Content-Length: 0, 0\r\n\r\n",
    "a folded line": f"{START}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a bare CR": f"{START}A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare LF": f"{START}A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": f"{START}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": f"{START}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "absolute-form": START.replace(PATH, f"http://{AUTHORITY}{PATH}") + "Content-Length: 0\r\n\r\n",
    "two Hosts": f"{START}Host: other.example\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": f"{START}A: b\x00\r\nContent-Length: 0\r\n\r\n",
}

WAY = pytest.mark.parametrize("way", WAYS)


def bait(gateway: Gateway, path: bytes = b"/bait", *, extra: str = "Connection: close\r\n") -> bytes:
    """Return a message that the gateway would serve, and the last one of its connection."""
    plain = bhttp.encode_request(get(authority=b"free.example", path=path))
    return message(oneshot.encapsulate_request(gateway.configs[0], plain)[0], extra=extra)


async def exchange(gateway: Gateway, way: str, data: bytes) -> bytes:
    """Send `data`; return all that comes until the connection is closed."""
    async with way_in(gateway.port, way) as (reader, writer):
        writer.write(data)
        return await reader.read()


@WAY
@pytest.mark.parametrize("name", HEADS)
async def test_nothing_behind_a_head_with_two_readings_is_served(
    place: Place, gateway: Gateway, name: str, way: str
) -> None:
    answers = await exchange(gateway, way, HEADS[name].encode("latin-1") + bait(gateway))
    assert answers.split(b" ")[1] == b"400"
    assert answers.count(b"HTTP/1.") == 1, "there is one answer"
    assert b"application/problem+json" in answers
    assert b"\r\nServer:" not in answers
    assert not place.target.heads


@WAY
@pytest.mark.parametrize("size", [b"0x4", b"+4", b" 4", b"4 ", b"g", b"", b"ffffffffffffffff4"])
async def test_nothing_behind_a_broken_chunk_is_served(
    place: Place, gateway: Gateway, size: bytes, way: str
) -> None:
    start = f"{START}Transfer-Encoding: chunked\r\n\r\n".encode()
    answers = await exchange(gateway, way, start + size + b"\r\nabcd\r\n0\r\n\r\n" + bait(gateway))
    assert answers.split(b" ")[1] in {b"400", b"422"}
    assert not place.target.heads


@WAY
async def test_nothing_behind_a_message_that_is_too_long_is_served(
    place: Place, gateway: Gateway, way: str
) -> None:
    start = f"{START}Content-Length: {2 << 20}\r\n\r\n".encode()
    answers = await exchange(gateway, way, start + bait(gateway))
    assert answers.split(b" ")[1] == b"413"
    assert not place.target.heads


@WAY
async def test_what_follows_a_message_is_answered_in_its_turn(
    place: Place, gateway: Gateway, way: str
) -> None:
    paths = [b"/%d" % number for number in range(5)]
    data = b"".join(bait(gateway, path, extra="") for path in paths) + bait(gateway, b"/last")
    async with way_in(gateway.port, way) as (reader, writer):
        writer.write(data)
        for _ in (*paths, b"/last"):
            head = await raw_http.read_head(reader)
            assert head.startswith(b"HTTP/1.1 200 ")
            await raw_http.read_body(reader, head)
        assert await reader.read() == b""
    assert [head.split(b" ")[1] for head in place.target.heads] == [*paths, b"/last"]
