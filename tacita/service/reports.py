"""What the operator's commands print: columns for people, one JSON object for programs.

Findings are what `key check` has to say of the keys; nothing found is good news.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["AnyFinding", "columns", "compact_json", "findings_told", "utc"]


class AnyFinding(Protocol):
    """One thing that is wrong."""

    @property
    def code(self) -> str:
        """Which one, of a closed set."""
        ...

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do."""
        ...


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as they have to be; the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def compact_json(value: object) -> str:
    """Return `value` as one line."""
    return json.dumps(value, separators=(",", ":"))


def findings_told(found: Iterable[AnyFinding], *, as_json: bool) -> list[str]:
    """Return the lines that say what was found."""
    if as_json:
        listed = [{"code": finding.code, "sentence": finding.sentence} for finding in found]
        return [compact_json({"ok": not listed, "findings": listed})]
    return [finding.sentence for finding in found] or ["all is well"]


def utc(moment: int) -> str:
    """Return the UNIX time `moment` as people read it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
