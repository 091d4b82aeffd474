"""Rounds of requests, in turn for every row, so that what disturbs the machine disturbs all rows."""

import asyncio
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import cpu
from bench.load import drive
from bench.results import spread

__all__ = ["CONNECTIONS", "Figures", "Make", "Row", "in_turn", "one_round", "opened"]

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Row:
    """A process to measure: its id, its port, and what makes requests for it (a number to so many)."""

    pid: int
    port: int
    requests: Callable[[int], list[bytes]]
    connections: int = CONNECTIONS
    times: float = 1
    """How many times as many requests as in other rows: what is cheap has to add up to be seen."""
    tls: ssl.SSLContext | None = None


Make = Callable[[Path], AbstractAsyncContextManager[Row]]
"""Starts what a row measures in a folder of its own."""


@dataclass(slots=True)
class Figures:
    """Of each round: CPU microseconds a request of the process, and requests a second."""

    cost: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)

    def cells(self) -> tuple[str, str]:
        """Return both as the columns of a table have them."""
        return spread(self.cost), spread(self.rate)


@asynccontextmanager
async def opened(rows: Mapping[str, Make]) -> AsyncIterator[dict[str, Row]]:
    """Start what all `rows` measure."""
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as name:
        async with AsyncExitStack() as stack:
            running = {}
            for number, (row, make) in enumerate(rows.items()):
                folder = Path(name) / str(number)
                folder.mkdir()
                running[row] = await stack.enter_async_context(make(folder))
            yield running


async def in_turn(running: Mapping[str, Row], rounds: int, requests: int) -> dict[str, Figures]:
    """Measure `rounds` rounds of about so many `requests` of each row, one row after the other."""
    figures = {name: Figures() for name in running}
    # The first round warms up what is made at first use.
    for number in range(rounds + 1):
        for name, row in running.items():
            cost, rate = await one_round(row, requests)
            if number:
                figures[name].cost.append(cost)
                figures[name].rate.append(rate)
    return figures


async def one_round(row: Row, requests: int) -> tuple[float, float]:
    """Return CPU microseconds for each request, and requests a second."""
    count = max(row.connections, round(requests * row.times))
    prepared = await asyncio.to_thread(row.requests, count)
    before, started = cpu.seconds(row.pid), time.perf_counter()
    await drive(row.port, prepared, row.connections, tls=row.tls)
    passed = time.perf_counter() - started
    return (cpu.seconds(row.pid) - before) / count * 1e6, count / passed
