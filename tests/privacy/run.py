"""`make privacy`: what somebody who watches can tell, measured on real processes (docs/privacy.md).

    python tests/privacy/run.py [--short] [--write docs/privacy.md]

Two parts. `cover`: who sees both sides of the relay matches requests by time and size. `refusals`: who sends
messages that do not open learns from the answer and its time how far the gateway got. The short form shows
that both work, and fails where refusals differ by a byte; only the full form judges times.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
# As `privacy.observer`, and what tests support with.
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

import numpy as np  # noqa: E402
import uvloop  # noqa: E402
from privacy import report  # noqa: E402
from privacy.intervals import Estimate, share  # noqa: E402
from privacy.observer import Observer, Policy, by_size  # noqa: E402
from privacy.refusals import Refusals, measure  # noqa: E402
from privacy.sessions import Load, Pairs, Relay, relay  # noqa: E402

POLICIES = (
    Policy("none"),
    Policy("jitter", "jitter", seconds=1.0),
    Policy("batch-8", "batch", seconds=1.0, group=8),
    Policy("batch-32", "batch", seconds=4.0, group=32),
)
BRIEF = (
    Policy("none"),
    Policy("jitter", "jitter", seconds=0.3),
    Policy("batch-8", "batch", seconds=0.3, group=8),
)
LOADS = (Load(2, 150), Load(20, 500), Load(100, 1_000), Load(20, 300, streamed=True))
BRIEF_LOADS = (Load(40, 80),)
_CROWDED = 100
"""Requests a second at which the policies are measured one after the other: this machine is busy enough."""


@dataclass(frozen=True)
class Row:
    """One policy under one load: how often the observer is right, and what it costs."""

    policy: Policy
    load: Load
    matched: Estimate
    by_times: Estimate
    by_sizes: float
    added: tuple[float, float]
    """Median and 95th percentile of the seconds that the relay added, both ways together."""


def main() -> int:
    """Measure, print, write; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tests/privacy/run.py", description="Measure what somebody who watches can tell."
    )
    parser.add_argument("part", nargs="?", choices=("all", "cover", "refusals"), default="all")
    parser.add_argument("--short", action="store_true", help="that it works, not what comes out")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this document")
    options = parser.parse_args()
    if options.write and (options.short or options.part != "all"):
        parser.error("what is written is all of the full form")
    begun = time.monotonic()
    where = f"{platform.machine()}, CPython {platform.python_version()}, loopback"
    print(where)
    rows: list[Row] = []
    refusals: Refusals | None = None
    if options.part != "refusals":
        rows = uvloop.run(
            _cover(BRIEF if options.short else POLICIES, BRIEF_LOADS if options.short else LOADS)
        )
    if options.part != "cover":
        refusals = uvloop.run(_refusals(1_500 if options.short else 20_000))
        print("\n" + report.refusals(refusals), flush=True)
    print(f"{time.monotonic() - begun:.0f} s")
    if options.write and refusals is not None:
        options.write.write_text(report.brought_up_to_date(options.write.read_text(), rows, refusals, where))
    return _judged(refusals, times=not options.short)


def _judged(refusals: Refusals | None, *, times: bool) -> int:
    if refusals is None:
        return 0
    if refusals.answers != 1:
        print(f"Refusals differ: there were {refusals.answers} different answers.", file=sys.stderr)
        return 1
    apart = [one for one in refusals.compared if one.apart and one.by_key]
    if times and apart:
        print("Refusals that the private key decides about are told apart by their times.", file=sys.stderr)
        return 1
    return 0


async def _cover(policies: Sequence[Policy], loads: Sequence[Load]) -> list[Row]:
    rows = []
    print(report.HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="tacita-privacy-") as folder:
        async with relay(policies, Path(folder)) as running:
            for load in loads:
                chosen = [policy for policy in policies if not load.streamed or policy.kind != "jitter"]
                if load.per_second < _CROWDED:
                    measured = list(await asyncio.gather(*(_row(running, one, load) for one in chosen)))
                else:
                    measured = [await _row(running, one, load) for one in chosen]
                for row in measured:
                    print(report.line(row), flush=True)
                rows += measured
    return rows


async def _row(running: Relay, policy: Policy, load: Load) -> Row:
    """Measure two sessions; what the observer knows of each, it knows from the other."""
    first = await running.session(policy, load, seed=1)
    second = await running.session(policy, load, seed=2)
    # The matching is arithmetic that would keep others waiting.
    return await asyncio.to_thread(observed, policy, load, first, second)


def observed(policy: Policy, load: Load, first: Pairs, second: Pairs) -> Row:
    """Return what the observer makes of two sessions under one policy."""
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for known, pairs in ((second, first), (first, second)):
        observer = Observer(policy, known, streamed=load.streamed)
        clients, gateways = _sides(pairs)
        # What is a tie to the observer must not be decided by the order in which it is told.
        order = np.random.default_rng(0).permutation(len(pairs))
        shuffled = [gateways[place] for place in order]
        for sizes, found in hits.items():
            matched = observer.match(clients, shuffled, sizes=sizes)
            found += [bool(order[match] == place) for place, match in enumerate(matched)]
    pairs = first + second
    added = [
        (client.answer - client.request) - (gateway.answer - gateway.request) for client, gateway in pairs
    ]
    middle, most = np.quantile(added, (0.5, 0.95))
    sizes = (by_size(_sides(first)[0]) + by_size(_sides(second)[0])) / 2
    return Row(policy, load, share(hits[True]), share(hits[False]), sizes, (float(middle), float(most)))


def _sides(pairs: Pairs) -> tuple[list, list]:
    return [client for client, _ in pairs], [gateway for _, gateway in pairs]


async def _refusals(count: int) -> Refusals:
    with tempfile.TemporaryDirectory(prefix="tacita-privacy-") as folder:
        return await measure(Path(folder), count)


if __name__ == "__main__":
    sys.exit(main())
