"""What the relay adds to the time of an answer, and relay and gateway to the time to its first byte."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import cpu
from bench.answers import Kept
from bench.cores import beside, cores
from bench.gateway import PATH as GATEWAY_PATH
from bench.gateway import gateway
from bench.load import http_request
from bench.openloop import latencies
from bench.redis import redis
from bench.relay import PATH, SIZE, messages, relay
from bench.relay import answers as fixed_answers
from bench.results import Section, Table, at_most, spread
from bench.rounds import Row, one_round
from bench.targets import fixed_server, ticking_server
from tacita.bhttp import Content, ResponseDecoder
from tacita.ohttp import KeyConfig, media
from tacita.ohttp.chunked import RequestSealer

__all__ = ["measure"]

_DELAY = 0.02
_UNDISTURBED = 0.95
_TEXT = f"""\
**Relay.** Messages of {SIZE} bytes at set times, as many a second as half of what a closed loop gets
through the relay here, straight to the gateway that costs nothing and through the relay, in turn; each
answer's time counts from when its message was to be sent. Both ends and the relay share this machine's
cores.

**First byte.** One request at a time to a target that begins its answer after {_DELAY * 1e3:.0f} ms: plain,
straight to it, and sealed in chunks and paid for with a token, through relay and gateway with Redis. The
time is from before the request is sealed to the first byte of content that is opened. What the two roles
and the cryptography add is the difference.
"""
_OBSTACLE = """\
Load generator and target are one process here and share the machine's cores with the relay and with all else
that runs; the table has what comes of that without a relay. A core for each was not to be had."""


async def measure(*, short: bool) -> Section:
    """Measure both."""
    section = Section("Latency", _TEXT)
    await _relay_alone(section, short=short)
    await _first_byte(section, short=short)
    return section


async def _relay_alone(section: Section, *, short: bool) -> None:
    rounds, seconds, requests = (2, 0.5, 500) if short else (7, 3.0, 12_000)
    added, rows = [], []
    # The scheduler likes to wake the relay on the core of the load, which never sleeps.
    (first, *_) = cores()
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder, ExitStack() as stack:
        async with (
            fixed_server(fixed_answers(SIZE)) as port,
            relay(Path(folder), port, core=first) as (pid, public),
        ):
            stack.enter_context(beside(first))
            made = messages(PATH, 1)[0]
            closed = [
                (await one_round(Row(pid, public, lambda count: [made] * count), requests))[1]
                for _ in range(3)
            ]
            rate = statistics.median(closed) / 2
            found: dict[str, list[tuple[float, float]]] = {"straight": [], "through the relay": []}
            shares, own = [], []
            for number in range(rounds + 1):
                straight = await latencies(port, made, rate, seconds)
                before, begun, mine = cpu.seconds(pid), time.perf_counter(), time.thread_time()
                through = await latencies(public, made, rate, seconds)
                shares.append((cpu.seconds(pid) - before) / (time.perf_counter() - begun))
                own.append((time.thread_time() - mine) / (time.perf_counter() - begun))
                if number:
                    found["straight"].append(_quantiles(straight))
                    found["through the relay"].append(_quantiles(through))
                    added.append(_quantiles(through)[1] - _quantiles(straight)[1])
    for name, quantiles in found.items():
        p50, p99 = zip(*quantiles, strict=True)
        rows.append((name, spread(p50), spread(p99)))
    share = 100 * statistics.median(shares)
    title = f"Relay at {rate:,.0f} messages/s, half of the closed loop's; it has {share:.0f} % of a core then"
    section.tables.append(Table(("", "p50, ms", "p99, ms"), rows, title))
    goal = at_most("relay, p99 added at half load", added, 1, " ms", _OBSTACLE)
    # The load never sleeps: what it does not have of its core, neighbours have, and of the relay's, too.
    if not goal.reached and statistics.median(own) < _UNDISTURBED:
        why = f"Neighbours had {100 - 100 * statistics.median(own):.0f} % of the load generator's core."
        goal = replace(goal, reached=None, obstacle=why)
    section.goals.append(goal)


async def _first_byte(section: Section, *, short: bool) -> None:
    rounds = 20 if short else 300
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as name:
        folder = Path(name)
        async with (
            redis(folder) as address,
            ticking_server(
                {}, "text/event-stream", piece=b"data: x\n\n", pieces=3, seconds=0.002, first=_DELAY
            ) as target,  # fmt: skip
            gateway(folder, {"redis": address}, token=True, target=target) as made,
            relay(
                folder,
                made.port,
                paths=(GATEWAY_PATH, "/challenge", f"http://127.0.0.1:{made.mirror}/directory"),
            ) as (_, public),
        ):
            plain = await asyncio.to_thread(made.plain, rounds + 5, tokens=True)
            direct, through = await Kept.open(target), await Kept.open(public)
            body = http_request("/v1/chat", b"q" * 400, ("Content-Type", "application/json"))
            times: dict[str, list[float]] = {"straight": [], "through relay and gateway": []}
            for one in plain:
                times["straight"].append(await _first(direct, lambda: (body, bool)))
                made_now = partial(_sealed, made.config, one)
                times["through relay and gateway"].append(await _first(through, made_now))
            direct.close()
            through.close()
    straight, via = times["straight"][5:], times["through relay and gateway"][5:]
    rows = [(which, *(f"{figure:.2f}" for figure in _quantiles(taken[5:]))) for which, taken in times.items()]
    section.tables.append(Table(("", "p50, ms", "p99, ms"), rows, "Time to the first byte of content"))
    added = statistics.median(via) - statistics.median(straight)
    section.goals.append(at_most("added time to the first byte, p50", [added * 1e3], 5, " ms"))


async def _first(link: Kept, make: Callable[[], tuple[bytes, Callable[[bytes], bool]]]) -> float:
    begun = time.perf_counter()
    request, arrived = make()
    return await link.first(request, arrived) - begun


def _sealed(config: KeyConfig, plain: bytes) -> tuple[bytes, Callable[[bytes], bool]]:
    sealer = RequestSealer(config)
    body = sealer.header() + sealer.finish(plain)
    opener, decoder = sealer.response_opener(), ResponseDecoder()

    def arrived(data: bytes) -> bool:
        events = [event for opened in opener.feed(data) for event in decoder.feed(opened)]
        return any(isinstance(event, Content) for event in events)

    fields = (("Content-Type", media.CHUNKED_REQUEST), ("Incremental", "?1"))
    return http_request(PATH, body, *fields), arrived


def _quantiles(taken: Sequence[float]) -> tuple[float, float]:
    """Return median and 99th percentile, in milliseconds."""
    ordered = sorted(taken)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3
