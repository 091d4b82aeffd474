"""What a gateway holds and for how long, whatever it is sent: memory of its process, and slow peers."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support import raw_http
from support.gateways import AUTHORITY, BEGUN, PATH, Gateway, Place, gateway_running, get, message
from support.ports import free_ports
from support.processes import role
from support.ways import WAYS, way_in

from gateway.app import build
from gateway.config import GatewayConfig
from tacita import bhttp
from tacita.bhttp import RequestEncoder, RequestHead
from tacita.net.lane.limits import Limits
from tacita.ohttp import media
from tacita.ohttp.chunked import RequestSealer
from tacita.ohttp.keyconfig import decode_list
from tacita.service.config import load
from tacita.service.listening import Public, serving

MIB = 1 << 20
KINDS = [media.REQUEST, media.CHUNKED_REQUEST]
FREE = b"free.example"

IDLE = 80 * MIB
"""What a worker may take up when it has nothing to do, and what a load may add to that."""
MORE = 32 * MIB


class Process:
    """A gateway in a process of its own, and how much memory that holds."""

    def __init__(self, pid: int, gateway: Gateway) -> None:
        self._statm = Path(f"/proc/{pid}/statm")
        self.gateway = gateway
        self.port = gateway.port
        self.most = 0
        """The largest resident set that was seen, in bytes."""

    def resident(self) -> int:
        """Return the resident set in bytes."""
        found = int(self._statm.read_text().split()[1]) * resource.getpagesize()
        self.most = max(self.most, found)
        return found

    async def served(self) -> None:
        """Expect that others are served."""
        assert (await self.gateway.ask(get(authority=FREE))).head.status == 200


@asynccontextmanager
async def process(place: Place, **changes: Any) -> AsyncIterator[Process]:
    """Run a gateway that has served already: what is made at first use has been made."""
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port, **changes)
    async with role("gateway", text, place.folder, admin_port=admin_port) as running:
        _, keys = await Gateway(port, []).raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        one = Process(running.process.pid, Gateway(port, decode_list(keys)))
        for chunked in (False, True):
            assert (await one.gateway.ask(get(authority=FREE), chunked=chunked)).head.status == 200
        yield one


# Memory


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Allow this process, and those that it starts, more open files than the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.e2e
async def test_a_thousand_idle_connections_cost_little(place: Place, descriptors: None) -> None:
    async with process(place) as one, AsyncExitStack() as stack:
        idle = one.resident()
        assert idle <= IDLE
        for number in range(1000):
            way = WAYS[number % 2] if number % 4 < 2 else "lane"
            _, writer = await stack.enter_async_context(way_in(one.port, way))
            if number % 4 == 3:
                writer.write(f"POST {PATH} HTTP/1.1\r\nHost: {AUTHORITY}\r\n".encode())
        await one.served()
        assert one.resident() - idle <= MORE


@pytest.mark.e2e
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_64_mib_of_junk_are_refused_early_in_flat_memory(place: Place, kind: str, way: str) -> None:
    start = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    piece = bytes([1]) * 65_536
    async with process(place) as one:
        before = one.resident()
        async with way_in(one.port, way) as (reader, writer):
            # Before any of it has come.
            writer.write(f"{start}Content-Length: {64 * MIB}\r\n\r\n".encode())
            assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 413 ")
        async with way_in(one.port, way) as (reader, writer):
            # While it comes; a chunked message is not opened with this, and that is noticed sooner.
            writer.write(f"{start}Transfer-Encoding: chunked\r\n\r\n".encode())
            heading = asyncio.create_task(raw_http.read_head(reader))
            sent = 0
            while not heading.done() and sent < 64 * MIB:
                writer.write(b"10000\r\n%b\r\n" % piece)
                sent += len(piece)
                await writer.drain()
                one.resident()
            status = int((await heading).split(b" ")[1])
        assert status == (413 if kind == media.REQUEST else 422)
        assert sent < 32 * MIB, "what was sent beyond the budget is in the sockets' buffers"
        assert one.resident() - before <= 8 * MIB
        assert one.most - before <= MORE
        await one.served()


class Sink:
    """A target that throws away what it gets, or gives as much as it is asked for in its path."""

    def __init__(self) -> None:
        self.taken = 0

    async def answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int(head.split(b" ")[1].rpartition(b"/")[2] or 0)
        if b"transfer-encoding: chunked" in head.lower():
            while chunk := await raw_http.read_chunk(reader):
                self.taken += len(chunk)
        writer.write(BEGUN)
        for _ in range(size // 65_536):
            writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")


STREAMED = 256 * MIB


@pytest.fixture
async def streaming(place: Place) -> AsyncIterator[tuple[Process, Sink]]:
    sink = Sink()
    place.target.answer = sink.answer
    budget = f"request_bytes = {2 * STREAMED}\nresponse_bytes = {2 * STREAMED}\nseconds = 110"
    async with process(place, token=budget) as one:
        yield one, sink


@pytest.mark.e2e
async def test_a_long_request_streams_through(streaming: tuple[Process, Sink]) -> None:
    one, sink = streaming
    before = one.resident()
    size = 16_000
    encoder = RequestEncoder()
    async with one.gateway.stream() as stream:
        stream.send(encoder.head(RequestHead(b"POST", b"https", FREE, b"/0")))
        for number in range(STREAMED // size):
            stream.send(encoder.content(bytes(size)))
            await stream.writer.drain()
            if not number % 512:
                one.resident()
        stream.send(encoder.end(), last=True)
        assert (await stream.response()).head.status == 200
    assert sink.taken == STREAMED // size * size
    assert one.most - before <= MORE


@pytest.mark.e2e
async def test_a_long_answer_streams_through(streaming: tuple[Process, Sink]) -> None:
    one, _ = streaming
    before = one.resident()
    async with one.gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(authority=FREE, path=b"/%d" % STREAMED)), last=True)
        taken = count = 0
        while not isinstance(event := await stream.next(), bhttp.End):
            if isinstance(event, bhttp.Content):
                taken, count = taken + len(event.data), count + 1
                if not count % 512:
                    one.resident()
    assert taken == STREAMED
    assert one.most - before <= MORE


@pytest.mark.e2e
async def test_an_answer_that_nobody_reads_is_not_held(streaming: tuple[Process, Sink]) -> None:
    one, _ = streaming
    before = one.resident()
    async with one.gateway.stream() as stream:
        stream.send(bhttp.encode_request(get(authority=FREE, path=b"/%d" % STREAMED)), last=True)
        await stream.next()
        for _ in range(20):
            await asyncio.sleep(0.1)
            one.resident()
        await one.served()
    assert one.most - before <= MORE


# Slow peers

SLOW = 100


def slow_starts(gateway: Gateway) -> dict[str, bytes]:
    """Return what a peer sends that then hardly goes on, by the part in which it stops."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: {AUTHORITY}\r\n"
    coded = f"{head}Content-Type: {media.CHUNKED_REQUEST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    sealer = RequestSealer(gateway.configs[0])
    first = sealer.header() + sealer.seal(RequestEncoder().head(RequestHead(b"POST", b"https", FREE, b"/")))
    return {
        "head": f"{head}X-Slow: ".encode(),
        "body": message(bytes(1000))[:-1000],
        "body, chunked form": message(bytes(1000), media.CHUNKED_REQUEST)[:-1000],
        "size of a chunk": coded,
        "chunk": coded + b"3e8\r\n",
        "chunk behind a good one": coded + b"%x\r\n%b\r\n3e8\r\n" % (len(first), first),
    }


@asynccontextmanager
async def impatient(place: Place) -> AsyncIterator[Gateway]:
    """Run a gateway that gives a head and a message one second, and each of its pieces half of one."""
    file = place.folder / "gateway.toml"
    file.write_text(place.config(token="seconds = 1", limits="piece_seconds = 0.5"))
    service = await build(load(file, GatewayConfig))
    public = Public(service.app, service.lane, service.log, Limits(head_seconds=1.0, linger_seconds=0.2))
    async with serving(public):
        _, keys = await Gateway(public.port, []).raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield Gateway(public.port, decode_list(keys), service)


PARTS = ["head", "body", "body, chunked form", "size of a chunk", "chunk", "chunk behind a good one"]
# aiohttp waits ten seconds for what is left of a request that it has refused, so two parts have to do; of a
# later head on a connection that it has, its keep-alive time is the bound.
SLOWLY = [(part, drips, "lane") for part in PARTS for drips in (False, True)]
SLOWLY += [("body", False, "aiohttp"), ("chunk behind a good one", True, "aiohttp")]


@pytest.mark.parametrize(("part", "drips", "way"), SLOWLY)
async def test_slow_peers_are_left_and_others_served(place: Place, part: str, drips: bool, way: str) -> None:
    drip = b"1" if part == "size of a chunk" else b"x"
    async with impatient(place) as gateway, AsyncExitStack() as stack, asyncio.timeout(30):
        start = slow_starts(gateway)[part]
        slow = [await stack.enter_async_context(way_in(gateway.port, way)) for _ in range(SLOW)]
        for _, writer in slow:
            writer.write(start)
        leaving = asyncio.gather(*(reader.read() for reader, _ in slow))
        while not leaving.done():
            assert (await gateway.ask(get(authority=FREE))).head.status == 200
            for _, writer in slow if drips else ():
                if not writer.transport.is_closing():
                    writer.write(drip)
            await asyncio.wait([leaving], timeout=0.2)
        told = await asyncio.gather(leaving, return_exceptions=True)
        # Where more of it came than was read, closing resets the connection.
        assert all(isinstance(one, ConnectionError | list) for one in told)
    assert len({head for head in place.target.heads if head.startswith(b"POST ")}) <= 1


async def test_as_many_connections_as_there_may_be(place: Place) -> None:
    file = place.folder / "gateway.toml"
    file.write_text(place.config())
    service = await build(load(file, GatewayConfig))
    public = Public(service.app, service.lane, service.log, Limits(connections=4))
    async with serving(public), AsyncExitStack() as stack:
        for way in (*WAYS, *WAYS):
            await stack.enter_async_context(way_in(public.port, way))
        reader, _ = await stack.enter_async_context(raw_http.connection(public.port))
        with suppress(ConnectionError):
            assert await reader.read() == b"", "one more is closed at once"


@pytest.mark.parametrize("way", WAYS)
async def test_peers_that_go_away_leave_their_places_to_others(place: Place, way: str) -> None:
    async with gateway_running(place, limits="exchanges = 1") as gateway, asyncio.timeout(30):
        for _ in range(20):
            async with way_in(gateway.port, way) as (_, writer):
                writer.write(message(bytes(1000))[:-500])
        while (await gateway.post(b"x"))[0].startswith(b"HTTP/1.1 503 "):  # noqa: ASYNC110 (all that tells)
            await asyncio.sleep(0.01)
        assert (await gateway.ask(get(authority=FREE))).head.status == 200
