"""The measurements as Markdown tables, which docs/privacy.md has between its marks."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from privacy.intervals import Estimate
from privacy.refusals import REFERENCE, Refusal, Refusals

if TYPE_CHECKING:
    from privacy.run import Row

__all__ = ["HEAD", "brought_up_to_date", "line", "refusals"]

_COLUMNS = (
    "messages",
    "a second",
    "policy",
    "matched by time and size",
    "by time alone",
    "by size alone",
    "guessing",
    "added, median / 95 %",
)
HEAD = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"


def line(row: "Row") -> str:
    """Return `row` as a line of the table."""
    policy, load = row.policy, row.load
    named = {
        "none": "none",
        "jitter": f"jitter, up to {policy.seconds:g} s each way",
        "batch": f"batch of {policy.group}, or after {policy.seconds:g} s",
    }[policy.kind]
    cells = (
        "streamed" if load.streamed else "whole",
        f"{load.per_second:g}",
        named,
        _share(row.matched),
        _share(row.by_times),
        f"{row.by_sizes:.1%}",
        f"{1 / load.count:.1%}",
        f"{row.added[0] * 1e3:.0f} / {row.added[1] * 1e3:.0f} ms",
    )
    return f"| {' | '.join(cells)} |"


def refusals(measured: Refusals) -> str:
    """Return the comparison of refusals as a table."""
    lines = [
        f"{measured.count:,} messages, {measured.answers} different answer{'s' * (measured.answers != 1)}; "
        f"compared with: {REFERENCE}",
        "",
        "| form | how it does not open | decided by | slower than the reference | medians differ by | p "
        "| told apart |",
        "|---|---|---|---|---|---|---|",
        *map(_refusal, measured.compared),
    ]
    return "\n".join(lines)


def _refusal(one: Refusal) -> str:
    larger, shift = one.difference.larger, one.difference.shift
    cells = (
        one.form,
        one.way,
        "the private key" if one.by_key else "public bytes",
        _share(larger),
        f"{shift.value:+.0f} µs ({shift.low:+.0f} to {shift.high:+.0f})",
        f"{one.p:.2g}" if one.p >= 1e-4 else "< 0.0001",
        "yes" if one.apart else "no",
    )
    return f"| {' | '.join(cells)} |"


def _share(one: Estimate) -> str:
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def brought_up_to_date(document: str, rows: Sequence["Row"], measured: Refusals, where: str) -> str:
    """Return `document` with the tables of this run between its marks."""
    tables = {
        "cover": "\n".join([f"Measured on {where}.", "", HEAD, *map(line, rows)]),
        "refusals": refusals(measured),
    }
    for name, table in tables.items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        document = marked.sub(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", document)
    return document
