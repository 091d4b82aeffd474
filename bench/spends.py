"""What a spend costs and weighs, by how many entries there are: one Redis, filled further and further."""

import asyncio
import os
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from bench import cpu
from bench.filling import fill, info
from bench.gateway import gateway
from bench.redis import redis_process
from bench.results import Section, Table, spread
from bench.rounds import Row, one_round

__all__ = ["measure"]

_COUNTS = (10_000, 100_000, 1_000_000, 10_000_000)
_SHORT = (10_000, 100_000)
_COLUMNS = (
    "entries",
    "µs CPU/request, gateway",
    "µs CPU/request, Redis",
    "the same, one by one",
    "bytes/entry, memory",
)
_TEXT = """\
Entries in one Redis (append-only file, `appendfsync everysec`), and what an exchange with a token costs while
they are there, 32 connections; one by one is a single connection, so that no two spends share a batch. A
spend is two calls, reserve and commit. Bytes for each entry are Redis's `used_memory` beyond that of an empty
one, on one server with 256 hashes for each issuer key: above 512 entries in a hash Redis gives up its
compact form. The second table has what a spend writes and asks. Redis rewrites its file now and then, for
which it forks; that is switched off here.
"""


async def measure(*, short: bool) -> Section:
    """Fill, and measure at each size."""
    rounds, requests = (2, 100) if short else (5, 1_000)
    rows = []
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as name:
        folder = Path(name)
        async with (
            redis_process(folder) as (pid, address),
            gateway(folder, {"redis": address}, token=True) as made,
        ):
            redis = _Redis(pid, address.removeprefix("unix://"), folder)
            row = Row(made.pid, made.port, lambda count: made.messages(count, tokens=True))
            await one_round(row, requests)
            key, empty, there = os.urandom(32), redis.memory(), 0
            for count in _SHORT if short else _COUNTS:
                await asyncio.to_thread(fill, redis.path, key, count - there)
                there = count
                weight = f"{(redis.memory() - empty) / there:.0f}"
                together, of_redis = await _measured(redis, row, rounds, requests)
                _, one_by_one = await _measured(redis, replace(row, connections=1), rounds, requests // 4)
                rows.append((f"{count:,}", spread(together), spread(of_redis), spread(one_by_one), weight))
            usage = await _usage(redis, row, requests)
    return Section("Spent entries", _TEXT, [Table(_COLUMNS, rows), usage])


@dataclass(frozen=True, slots=True)
class _Redis:
    pid: int
    path: str
    folder: Path

    def memory(self) -> int:
        return int(info(self.path, "memory")["used_memory"])

    def calls(self, command: str) -> int:
        found = re.match(r"calls=(\d+)", info(self.path, "commandstats").get(f"cmdstat_{command}", ""))
        return int(found[1]) if found else 0

    def written(self) -> int:
        return sum(one.stat().st_size for one in (self.folder / "appendonlydir").iterdir())


async def _measured(redis: _Redis, row: Row, rounds: int, requests: int) -> tuple[list[float], list[float]]:
    """Return CPU microseconds for each request of the gateway, and of Redis."""
    costs, of_redis = [], []
    for _ in range(rounds):
        before = cpu.seconds(redis.pid)
        costs.append((await one_round(row, requests))[0])
        of_redis.append((cpu.seconds(redis.pid) - before) / max(requests, row.connections) * 1e6)
    return costs, of_redis


async def _usage(redis: _Redis, row: Row, requests: int) -> Table:
    rows = []
    for connections in (1, row.connections):
        before = (redis.written(), redis.calls("evalsha"), redis.calls("hset"))
        await one_round(replace(row, connections=connections), requests)
        # What is written reaches the file within the next turn of Redis's event loop.
        await asyncio.sleep(0.2)
        after = (redis.written(), redis.calls("evalsha"), redis.calls("hset"))
        of_one = [(later - sooner) / requests for sooner, later in zip(before, after, strict=True)]
        rows.append((str(connections), f"{of_one[0]:.0f}", f"{of_one[1]:.2f}", f"{of_one[2]:.2f}"))
    columns = ("connections", "bytes appended/request", "script calls/request", "writes (HSET)/request")
    return Table(columns, rows, "What a spend writes and asks")
