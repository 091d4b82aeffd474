"""The mirrored documents are the same bytes for everybody, whichever data plane gives them out."""

import hashlib

import pytest
from support.planes import Plane
from support.raw_http import connection, fields, read_head
from support.relays import Gateway, documents

CHATTER = "Cookie: a=b\r\nUser-Agent: x\r\nAccept: */*\r\nAccept-Encoding: br, gzip\r\nRange: bytes=0-1\r\n"

BODIES = {
    "keys": documents()["/message"].partition(b"\r\n\r\n")[2],
    "challenge": documents()["/challenge"].partition(b"\r\n\r\n")[2],
    "issuer-directory": documents()["/directory"].partition(b"\r\n\r\n")[2],
}


def get(path: str, extra: str = "", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: relay.example\r\n{extra}\r\n".encode()


@pytest.mark.parametrize("document", BODIES)
async def test_a_document_is_the_same_bytes_for_everybody(
    gateway: Gateway, plane: Plane, document: str
) -> None:
    async with plane.running(gateway.config()) as running:
        plain = await running.ask(get(f"/one/{document}"))
        other = await running.ask(get(f"/one/{document}?me=7", CHATTER))
        tag = f'"sha256-{hashlib.sha256(plain[1]).hexdigest()}"'
        async with connection(running.port) as (reader, writer):
            writer.write(get(f"/one/{document}", f"If-None-Match: {tag}\r\n"))
            assert (await read_head(reader)).startswith(b"HTTP/1.1 304 ")
            writer.write(get(f"/one/{document}", method="HEAD"))
            head = await read_head(reader)
            assert head.startswith(b"HTTP/1.1 200 ")
    assert plain[0].startswith(b"HTTP/1.1 200 ")
    assert plain[1] == other[1] == BODIES[document]
    assert set(fields(head)) <= set(fields(plain[0]))
    for told in (plain[0], other[0]):
        named = fields(told)
        assert named["etag"] == tag
        assert named["content-length"] == str(len(plain[1]))
        assert set(named) - {"connection", "date"} == {
            "content-type",
            "content-length",
            "etag",
            "cache-control",
            "content-digest",
        }


async def test_the_pages_of_the_relay_are_there(gateway: Gateway, plane: Plane) -> None:
    async with plane.running(gateway.config()) as running:
        for path in ("/", "/.well-known/tacita-relay", "/one/fingerprints"):
            head, body = await running.ask(get(path))
            assert head.startswith(b"HTTP/1.1 200 ")
            assert body
            assert "server" not in fields(head)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_documents_are_read_only(gateway: Gateway, plane: Plane, method: str) -> None:
    async with plane.running(gateway.config()) as running:
        head, _ = await running.ask(get("/one/keys", "Content-Length: 0\r\n", method))
    assert head.startswith(b"HTTP/1.1 405 ")
    assert set(fields(head)["allow"].split(",")) == {"GET", "HEAD"}
