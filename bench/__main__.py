"""`python -m bench`: what relay, gateway and issuer cost, side by side with what they stand on.

Each figure is the median of several rounds against real role processes on loopback; the load and
whatever stands behind a process run elsewhere and are not counted. Machines are noisy: compare rows of one
run.
"""

import argparse
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench import cancel, exchanges, latency, memory, proxies, signing, spends, stages, streams
from bench.machine import machine
from bench.results import Section
from bench.writing import as_markdown, as_text

__all__ = ["PARTS", "main"]

PARTS: dict[str, Callable[..., Awaitable[Section]]] = {
    "relay": proxies.measure,
    "gateway": exchanges.measure,
    "stages": stages.measure,
    "spends": spends.measure,
    "streams": streams.measure,
    "latency": latency.measure,
    "issuer": signing.measure,
    "memory": memory.measure,
    "cancel": cancel.measure,
}


def main() -> int:
    """Measure, print, and write if asked; return the exit code."""
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rows = machine()
    for name, value in rows:
        print(f"{name:22}{value}")
    begun = time.monotonic()
    sections = []
    for name in options.part or PARTS:
        section = uvloop.run(_measured(PARTS[name], short=options.short))
        print(as_text(section), flush=True)
        sections.append(section)
    minutes = (time.monotonic() - begun) / 60
    print(f"\n{minutes:.1f} minutes")
    if options.write is not None:
        form = "The short form: it shows that everything runs, not what it costs." if options.short else ""
        options.write.write_text(as_markdown(sections, [*rows, ("took", f"{minutes:.1f} minutes")], form))
    return 0


async def _measured(part: Callable[..., Awaitable[Section]], *, short: bool) -> Section:
    return await part(short=short)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What relay, gateway and issuer cost, beside what they stand on."
    )
    parser.add_argument(
        "part", nargs="*", metavar="PART", help=f"what to measure (default: everything): {', '.join(PARTS)}"
    )
    parser.add_argument("--short", action="store_true", help="few requests: that it works, not what it costs")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write it as Markdown, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
