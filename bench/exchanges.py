"""The gateway's whole exchange by CPU time: with and without token, by store, load, size and workers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bench.gateway import gateway
from bench.profile import profile
from bench.redis import redis
from bench.results import TIMES, Section, Table, at_least, at_most, ratios
from bench.rounds import CONNECTIONS, Figures, Make, Row, in_turn, opened

__all__ = ["measure", "running"]

_LOADS = (1, 4, 16, 64, 256)
_SIZES = {
    "1 KiB": (1 << 10, 1.0),
    "16 KiB": (16 << 10, 0.5),
    "128 KiB": (128 << 10, 0.1),
    "1 MiB": (1 << 20, 0.03),
}
_ROOM = {"request_bytes": 4 << 20, "response_bytes": 8 << 20}

_TEXT = """\
The whole path: HTTP in, decapsulation, Binary HTTP, token, spend (append-only Redis on a unix socket, or
SQLite), forward to a local target that costs nothing, seal, HTTP out. Counted is the CPU time of the
gateway's processes; Redis, target and load generator are others. 400 bytes of content each way, 32
connections where nothing else is said.
"""
_OBSTACLE = """\
See the budget by stages, and the profile. The stages are what the protocol has to do; the rest in that table
is everything between them, spread over many functions."""
_CLOCK = """\
By the clock the load generator, the target and Redis run on the same cores: where the machine has no cores
but the two that the workers are to have, two workers cannot show what they do with two cores of their own.
By CPU time, which says whether the workers are in each other's way, the figure is the other one."""


def running(
    store: str,
    *,
    token: bool,
    connections: int = CONNECTIONS,
    size: int = 400,
    times: float = 1,
    workers: int = 1,
) -> Make:
    """Return what starts a gateway with this store, for requests of `size` bytes each way."""

    @asynccontextmanager
    async def row(folder: Path) -> AsyncIterator[Row]:
        async with AsyncExitStack() as stack:
            where = {"sqlite": "spent.sqlite"}
            if store == "Redis":
                where = {"redis": await stack.enter_async_context(redis(folder))}
            made = await stack.enter_async_context(
                gateway(folder, where, token=token, budget=_ROOM, answer=size, workers=workers)
            )
            yield Row(
                made.pid,
                made.port,
                lambda count: made.messages(count, tokens=token, size=size),
                connections=connections,
                times=times,
            )

    return row


async def measure(*, short: bool) -> Section:
    """Measure every row."""
    rounds, requests = (2, 100) if short else (5, 2_000)
    section = Section("Gateway", _TEXT)
    kinds = [(store, token) for token in (False, True) for store in ("SQLite", "Redis")]
    makes = {
        f"{'token' if token else 'no token'}, {store}": running(store, token=token) for store, token in kinds
    }
    async with opened(makes) as rows:
        found = await in_turn(rows, rounds, requests)
        if not short:
            title = "Gateway, token and Redis"
            if (profiled := await profile(title, rows["token, Redis"], 4 * requests, seconds=3)) is not None:
                section.profiles.append(profiled)
        paid = rows["token, Redis"]
        loads = {str(count): replace(paid, connections=count) for count in _LOADS}
        by_load = await in_turn(loads, rounds, requests // 2)
    section.tables.append(_table("", "", found))
    section.tables.append(_table("connections", "By load, with token and Redis", by_load))
    section.goals += [
        at_most("gateway with token and Redis, CPU", found["token, Redis"].cost, 110, " µs", _OBSTACLE),
        at_most("gateway without token, CPU", found["no token, SQLite"].cost, 75, " µs", _OBSTACLE),
    ]
    sizes = {
        name: running("SQLite", token=False, size=size, times=times, connections=8)
        for name, (size, times) in _SIZES.items()
    }
    async with opened(sizes) as rows:
        title = "By size of request and of answer, without token, 8 connections"
        section.tables.append(_table("content", title, await in_turn(rows, rounds, requests)))
    await _workers(section, rounds, requests)
    return section


async def _workers(section: Section, rounds: int, requests: int) -> None:
    makes = {
        str(count): running("Redis", token=True, connections=64, times=1.5, workers=count) for count in (1, 2)
    }
    async with opened(makes) as rows:
        found = await in_turn(rows, rounds, requests)
    one, two = found["1"], found["2"]
    by_cpu = [2 * ratio for ratio in ratios(one.cost, two.cost)]
    by_clock = ratios(two.rate, one.rate)
    section.tables.append(_table("workers", "By workers, token and Redis, 64 connections", found))
    section.goals += [
        at_least("two gateway workers, by CPU time a request", by_cpu, 1.8, f"{TIMES} one"),
        at_least("two gateway workers, by the clock", by_clock, 1.8, f"{TIMES} one", _CLOCK),
    ]


def _table(first: str, title: str, found: dict[str, Figures]) -> Table:
    rows = [(name, *figures.cells()) for name, figures in found.items()]
    return Table((first, "µs CPU/request", "requests/s"), rows, title)
