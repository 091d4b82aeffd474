"""Nothing of a client stays: not in what a data plane says, not in any file that it may write."""

import asyncio
from contextlib import suppress

from support.planes import Plane
from support.raw_http import connection, read_body
from support.relays import CHUNKED_ANSWER, Gateway, request

from relay.config import Limits

CANARY = b"canary-5f1d"


async def test_nothing_of_a_client_stays(gateway: Gateway, plane: Plane) -> None:
    big = CANARY * 60_000  # More than any buffer in memory.

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await read_body(reader, head)
        if len(body) < 1000:
            writer.write(b"HTTP/1.1 %b\r\n%b\r\n\r\n" % (CANARY, CANARY))
            raise ConnectionAbortedError
        writer.write(CHUNKED_ANSWER + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    gateway.answer = answer
    before = {path for path in plane.folder.rglob("*") if path.is_file()}
    extra = f"X-Id: {CANARY.decode()}\r\nCookie: {CANARY.decode()}\r\n"
    config = gateway.config(Limits(piece_seconds=0.3, gateway_piece_seconds=0.5))
    async with plane.running(config) as running:
        assert (await running.ask(request(big, "message/ohttp-chunked-req", extra)))[1] == big
        for data in (
            request(CANARY, extra=extra),
            request(CANARY, CANARY.decode(), extra),
            request(CANARY, extra=extra, path=f"/{CANARY.decode()}"),
            request(CANARY, extra=extra)[:-2],
            b"%b / HTTP/1.1\r\n\r\n" % CANARY,
            b"GET /%b HTTP/%b\r\n\r\n" % (CANARY, CANARY),
            b"POST /one HTTP/1.1\r\nContent-Length: %b\r\n\r\n" % CANARY,
            b"POST /one HTTP/1.1\r\nHost: r\r\nX: %b\r\n\r\n" % (CANARY * 5000),
        ):
            with suppress(ConnectionError):
                async with connection(running.port) as (reader, writer):
                    writer.write(data)
                    await asyncio.wait_for(reader.read(1), 5)
        during = _written(plane, before)
    # A port of the relay behind stands in the configuration, and its address in the messages of a start.
    assert not during
    assert not _written(plane, before)
    if (plane.folder / "said").exists():
        said = (plane.folder / "said").read_bytes()
        assert CANARY not in said
        assert b"127.0.0.1" not in said


def _written(plane: Plane, before: set[object]) -> list[str]:
    """Return the files that have come and hold anything beside a configuration or what was said."""
    mine = {"said", "nginx.conf", "haproxy.conf", "nginx.pid"}
    found = [path for path in plane.folder.rglob("*") if path.is_file() and path not in before]
    return [path.name for path in found if path.name not in mine]
