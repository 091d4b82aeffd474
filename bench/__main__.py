"""`python -m bench`: CPU microseconds for each request of relay and gateway, signatures of the issuer.

Each figure is the median of several rounds against a real role process on loopback; the
load and whatever stands behind the process run elsewhere and are not counted. Machines
are noisy: compare rows of one run.
"""

import argparse
import asyncio
import platform
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench import cpu
from bench.gateway import gateway
from bench.load import drive
from bench.redis import redis
from bench.relay import messages, plain_proxy, relay
from bench.signing import report

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Row:
    """A process to measure: its id, its port, and what makes requests for it (a number to so many)."""

    pid: int
    port: int
    requests: Callable[[int], list[bytes]]


def main() -> int:
    """Measure and print every row; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="CPU per request of relay and gateway, speed of the issuer."
    )
    parser.add_argument(
        "part", nargs="?", choices=("all", "requests", "issuer"), default="all", help="what to measure"
    )
    parser.add_argument("--short", action="store_true", help="few requests: that it works, not what it costs")
    options = parser.parse_args()
    rounds, requests = (2, 200) if options.short else (5, 3_000)
    print(f"{platform.machine()}, CPython {platform.python_version()}")
    if options.part != "issuer":
        print(f"{CONNECTIONS} connections, {rounds} rounds of {requests} requests")
        print(f"\n{'':40}  µs CPU/request")
        uvloop.run(_run(rounds, requests))
    if options.part != "requests":
        uvloop.run(report(short=options.short))
    return 0


async def _run(rounds: int, requests: int) -> None:
    for name, row in _ROWS.items():
        with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
            async with row(Path(folder)) as running:
                figures = [await _round(running, requests) for _ in range(rounds + 1)]
        # The first round warms up what is made at first use.
        print(f"{name:40}  {statistics.median(figures[1:]):14.0f}", flush=True)


async def _round(row: Row, requests: int) -> float:
    prepared = await asyncio.to_thread(row.requests, requests)
    before = cpu.seconds(row.pid)
    await drive(row.port, prepared, CONNECTIONS)
    return (cpu.seconds(row.pid) - before) / requests * 1e6


@asynccontextmanager
async def _plain_proxy(_folder: Path) -> AsyncIterator[Row]:
    async with plain_proxy() as (pid, port):
        yield Row(pid, port, lambda count: messages("/", count))


@asynccontextmanager
async def _relay(folder: Path) -> AsyncIterator[Row]:
    async with relay(folder) as (pid, port):
        yield Row(pid, port, lambda count: messages("/gateway", count))


def _gateway(store: str | None) -> Callable[[Path], AbstractAsyncContextManager[Row]]:
    @asynccontextmanager
    async def row(folder: Path) -> AsyncIterator[Row]:
        async with AsyncExitStack() as stack:
            where = {"sqlite": "spent.sqlite"}
            if store == "redis":
                where = {"redis": await stack.enter_async_context(redis(folder))}
            running = await stack.enter_async_context(gateway(folder, where, token=store is not None))
            yield Row(
                running.pid, running.port, lambda count: running.messages(count, tokens=store is not None)
            )

    return row


_ROWS: dict[str, Callable[[Path], AbstractAsyncContextManager[Row]]] = {
    "plain aiohttp reverse proxy, 400 bytes": _plain_proxy,
    "relay, one-shot, 400 bytes": _relay,
    "gateway, no token": _gateway(None),
    "gateway, token, SQLite": _gateway("sqlite"),
    "gateway, token, Redis": _gateway("redis"),
}

if __name__ == "__main__":
    sys.exit(main())
