"""The relay beside nginx and beside a plain aiohttp proxy: CPU for each message, by size, load and TLS."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.certificates import Certificate, certificate
from bench.nginx import installed
from bench.profile import profile
from bench.relay import PATH, SIZE, behind_nginx, behind_relay, messages, plain_proxy
from bench.results import TIMES, Section, Table, at_most, ratios, spread
from bench.rounds import Figures, Make, Row, in_turn, opened

__all__ = ["measure"]

_SIZES = {
    "400 B": (SIZE, 8.0),
    "1 KiB": (1 << 10, 8.0),
    "16 KiB": (16 << 10, 4.0),
    "128 KiB": (128 << 10, 0.6),
    "1 MiB": (1 << 20, 0.1),
}
"""Messages, and how many times the requests of a round."""
_AIOHTTP = {"400 B", "16 KiB"}
_LOADS = (1, 4, 16, 64, 256)
_NGINX, _RELAY, _PLAIN = "nginx proxy_pass", "relay", "plain aiohttp proxy"

_TEXT = """\
One-shot messages over kept connections, 32 at a time, from a load generator to a gateway that costs
nothing; what is counted is the CPU time of the process in the middle. nginx is one worker with `proxy_pass`
over kept connections and no log: the plainest proxy that it can be, without the relay's header discipline
and limits. Medians (lowest to highest round); rounds of all rows are in turn, and a ratio is that of the
same round.
"""
_OBSTACLE = """\
See the profile below. When this was written, writing to the sockets, which nginx does as well, had the
largest share, and the rest was spread over Python functions of a few per cent each."""


async def measure(*, short: bool) -> Section:
    """Measure every comparison."""
    rounds, requests = (2, 150) if short else (5, 2_500)
    section = Section("Relay", _TEXT)
    comparison = Table(("", "µs CPU/message", "of nginx", "messages/s"), [], "By size of message and answer")
    section.tables.append(comparison)
    rows = comparison.rows
    assert isinstance(rows, list)
    for name, (size, times) in _SIZES.items():
        found = await _compared(_makes(size, times, plain=name in _AIOHTTP), rounds, requests)
        rows += _rows(name, found)
        if name in _AIOHTTP:
            _goals(section, name, found)
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder:
        both = certificate(Path(folder))
        found = await _compared(_makes(SIZE, 5.0, plain=False, tls=both), rounds, requests)
    rows += _rows("400 B, TLS both legs", found)
    if _NGINX in found:
        section.goals.append(
            at_most(
                "relay, CPU of nginx's, TLS both legs",
                ratios(found[_RELAY].cost, found[_NGINX].cost),
                2,
                TIMES,
                _OBSTACLE,
            )
        )
    section.tables.append(await _by_load(rounds, requests))
    if not short:
        await _profiled(section, requests)
    return section


async def _compared(makes: dict[str, Make], rounds: int, requests: int) -> dict[str, Figures]:
    async with opened(makes) as running:
        return await in_turn(running, rounds, requests)


def _makes(size: int, times: float, *, plain: bool, tls: Certificate | None = None) -> dict[str, Make]:
    def made(pid: int, port: int) -> Row:
        client = tls.client() if tls else None
        return Row(pid, port, lambda count: messages(PATH, count, size), times=times, tls=client)

    @asynccontextmanager
    async def through_nginx(folder: Path) -> AsyncIterator[Row]:
        async with behind_nginx(folder, size, tls=tls) as running:
            yield made(*running)

    @asynccontextmanager
    async def through_relay(folder: Path) -> AsyncIterator[Row]:
        async with behind_relay(folder, size, tls=tls) as running:
            yield made(*running)

    @asynccontextmanager
    async def through_aiohttp(_folder: Path) -> AsyncIterator[Row]:
        async with plain_proxy(size) as (pid, port):
            yield Row(pid, port, lambda count: messages("/", count, size))

    makes: dict[str, Make] = {} if installed() is None else {_NGINX: through_nginx}
    makes[_RELAY] = through_relay
    return {**makes, _PLAIN: through_aiohttp} if plain else makes


def _rows(name: str, found: dict[str, Figures]) -> list[tuple[str, ...]]:
    nginx = found.get(_NGINX)
    rows: list[tuple[str, ...]] = []
    for which, figures in found.items():
        of_nginx = "" if nginx is None or which == _NGINX else spread(ratios(figures.cost, nginx.cost))
        cost, rate = figures.cells()
        rows.append((f"{which}, {name}", cost, of_nginx, rate))
    return rows


def _goals(section: Section, name: str, found: dict[str, Figures]) -> None:
    relay = found[_RELAY].cost
    if _NGINX in found:
        of_nginx = ratios(relay, found[_NGINX].cost)
        section.goals.append(at_most(f"relay, CPU of nginx's, {name}", of_nginx, 1.5, TIMES, _OBSTACLE))
    of_plain = ratios(relay, found[_PLAIN].cost)
    section.goals.append(at_most(f"relay, CPU of aiohttp's, {name}", of_plain, 0.5, TIMES, _OBSTACLE))


async def _by_load(rounds: int, requests: int) -> Table:
    async with opened({_RELAY: _makes(SIZE, 4.0, plain=False)[_RELAY]}) as running:
        (row,) = running.values()
        loads = {
            str(count): Row(row.pid, row.port, row.requests, connections=count, times=4.0) for count in _LOADS
        }
        found = await in_turn(loads, rounds, requests)
    rows = [(name, *figures.cells()) for name, figures in found.items()]
    return Table(("connections", "µs CPU/message", "messages/s"), rows, "Relay by load, 400 B")


async def _profiled(section: Section, requests: int) -> None:
    async with opened({_RELAY: _makes(SIZE, 16.0, plain=False)[_RELAY]}) as running:
        found = await profile("Relay, one-shot, 400 B", running[_RELAY], requests, seconds=3)
    if found is not None:
        section.profiles.append(found)
