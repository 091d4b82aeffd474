"""What a streamed piece costs: many slow answers at a time, each piece a write of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from bench.gateway import PATH as GATEWAY_PATH
from bench.gateway import gateway
from bench.load import http_request
from bench.profile import profile
from bench.relay import DOCUMENTS, PATH, relay
from bench.results import Section, Table, at_most, spread
from bench.rounds import Row, in_turn, opened
from bench.targets import ticking_server
from tacita.ohttp import media
from tacita.ohttp.chunked import RequestSealer

__all__ = ["measure"]

_STREAMS = 32
_PIECE = b"data: " + b"x" * 100 + b"\n\n"
_TEXT = f"""\
{_STREAMS} answers at a time, each in pieces of {len(_PIECE)} bytes, one every 5 ms: as server-sent events
are. The cost of an answer with many pieces, less that of an answer with few, by their number: what one
piece more costs. In the relay a piece is bytes to pass on; the gateway seals it as a chunk of its own.
"""
_OBSTACLE = """\
A piece is a read, a parse and a write for itself: two system calls and two turns through the event loop,
whatever is in it, which is what the profile shows."""
_MANY, _FEW = 400, 20


async def measure(*, short: bool) -> Section:
    """Measure relay and gateway."""
    rounds, answers, many = (2, _STREAMS, 60) if short else (5, 2 * _STREAMS, _MANY)
    makes = {
        (name, pieces): partial(make, pieces=pieces)
        for name, make in {"relay": _relay, "gateway": _gateway}.items()
        for pieces in (_FEW, many)
    }
    named = {f"{name}, {pieces}": make for (name, pieces), make in makes.items()}
    section = Section("Streamed answers", _TEXT)
    rows = []
    async with opened(named) as running:
        found = await in_turn(running, rounds, answers)
        for name in ("relay", "gateway"):
            costs = [
                (long - brief) / (many - _FEW)
                for long, brief in zip(
                    found[f"{name}, {many}"].cost, found[f"{name}, {_FEW}"].cost, strict=True
                )
            ]
            rows.append((name, spread(costs)))
            if name == "relay":
                section.goals.append(
                    at_most("relay, CPU for each streamed chunk", costs, 15, " µs", _OBSTACLE)
                )
        if not short:
            title = "Relay, streamed answers"
            if (profiled := await profile(title, running[f"relay, {many}"], answers, seconds=4)) is not None:
                section.profiles.append(profiled)
    section.tables.append(Table(("", "µs CPU/piece"), rows))
    return section


@asynccontextmanager
async def _relay(folder: Path, *, pieces: int) -> AsyncIterator[Row]:
    async with (
        ticking_server(
            DOCUMENTS, media.CHUNKED_RESPONSE, piece=_PIECE, pieces=pieces, seconds=0.005
        ) as upstream,
        relay(folder, upstream) as (pid, port),
    ):
        message = http_request(
            PATH, b"q" * 400, ("Content-Type", media.CHUNKED_REQUEST), ("Incremental", "?1")
        )
        yield Row(pid, port, lambda count: [message] * count, connections=_STREAMS)


@asynccontextmanager
async def _gateway(folder: Path, *, pieces: int) -> AsyncIterator[Row]:
    async with (
        ticking_server({}, "text/event-stream", piece=_PIECE, pieces=pieces, seconds=0.005) as target,
        gateway(folder, {"sqlite": "spent.sqlite"}, token=False, target=target) as made,
    ):

        def sealed(count: int) -> list[bytes]:
            found = []
            for plain in made.plain(count, tokens=False):
                sealer = RequestSealer(made.config)
                body = sealer.header() + sealer.finish(plain)
                found.append(http_request(GATEWAY_PATH, body, ("Content-Type", media.CHUNKED_REQUEST)))
            return found

        yield Row(made.pid, made.port, sealed, connections=_STREAMS)
