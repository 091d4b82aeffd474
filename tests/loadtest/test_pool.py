"""The sending client against a server that misbehaves: each job ends exactly once, nothing is sent twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support.ports import free_port

from loadtest.client.job import Job
from loadtest.client.outcomes import Outcome
from loadtest.client.pool import Pool

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


class Answer:
    """Keeps the pieces; an answer is `STATUS:BODY`."""

    def __init__(self) -> None:
        self.body = b""

    def piece(self, data: bytes, _now: int) -> None:
        self.body += data

    def end(self, status: int) -> Outcome:
        return f"{status}:{self.body.decode()}"


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[int, list[bytes]]]:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                seen.append(await reader.readexactly(len(REQUEST)))
                await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()


async def ended(port: int, count: int, *, limit: int = 4, timeout: float = 1.0) -> list[Outcome]:
    outcomes: list[Outcome] = []
    done = asyncio.Event()

    def finish(_job: Job, outcome: Outcome, _now: int) -> None:
        outcomes.append(outcome)
        if len(outcomes) >= count:
            done.set()

    pool = Pool("127.0.0.1", port, finish=finish, limit=limit, timeout=timeout)
    for _ in range(count):
        pool.submit(Job(0, 0, time.monotonic_ns(), REQUEST, Answer()))
    await asyncio.wait_for(done.wait(), 20)
    await pool.close()
    await asyncio.sleep(0.05)
    assert len(outcomes) == count
    return outcomes


def writing(data: bytes, *, close: bool = False) -> Handler:
    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if close:
            raise ConnectionError

    return handler


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (writing(OK), "200:ok"),
        (writing(CHUNKED), "200:ok"),
        (writing(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), "200:ok"),
        (writing(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), close=True), "200:ok"),
        (writing(b"HTTP/1.1 307 X\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"), "307:"),
        (writing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", close=True), "burnt:lost"),
        (writing(b"", close=True), "burnt:lost"),
        (writing(b"NONSENSE\r\n\r\n"), "burnt:malformed"),
        (writing(b""), "burnt:timeout"),
        (writing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), "burnt:timeout"),
    ],
)
async def test_each_job_ends_once_and_is_sent_once(handler: Handler, outcome: Outcome) -> None:
    async with served(handler) as (port, seen):
        assert await ended(port, 4) == [outcome] * 4
        assert len(seen) == 4


async def test_connections_are_kept_and_bounded() -> None:
    connections = set()

    async def handler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer.get_extra_info("peername"))
        await asyncio.sleep(0.002)
        writer.write(OK)

    async with served(handler) as (port, _):
        assert await ended(port, 60, limit=3, timeout=5.0) == ["200:ok"] * 60
    assert len(connections) == 3


async def test_nobody_listens() -> None:
    assert await ended(free_port(), 7) == ["unsent:refused"] * 7


async def test_what_nobody_asked_for_is_not_the_next_answer() -> None:
    async with served(writing(OK + OK.replace(b"ok", b"no"))) as (port, _):
        assert await ended(port, 6, limit=1) == ["200:ok"] * 6
