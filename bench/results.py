"""What a part of the bench found: tables, goals beside figures, and profiles of what is in the way."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["TIMES", "Goal", "Section", "Table", "at_least", "at_most", "ratios", "spread"]

TIMES = " \N{MULTIPLICATION SIGN}"
"""The unit of ratios."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below `columns`; the first column names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """What was wanted and what was measured. `reached` is None where this machine cannot tell.

    `obstacle` says what stands in the way where it is not reached.
    """

    what: str
    wanted: str
    measured: str
    reached: bool | None
    obstacle: str = ""

    @property
    def verdict(self) -> str:
        """The word for `reached`."""
        return {True: "reached", False: "**not reached**", None: "cannot be told here"}[self.reached]


@dataclass(slots=True)
class Section:
    """One part's results. `profiles` are tables of where a process spends its time."""

    title: str
    text: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    profiles: list[Table] = field(default_factory=list)


def at_most(what: str, samples: Sequence[float], bound: float, unit: str = "", obstacle: str = "") -> Goal:
    """Return the goal that the median of `samples` is `bound` or less."""
    reached = statistics.median(samples) <= bound
    return Goal(what, f"≤ {bound:g}{unit}", f"{spread(samples)}{unit}", reached, obstacle)


def at_least(what: str, samples: Sequence[float], bound: float, unit: str = "", obstacle: str = "") -> Goal:
    """Return the goal that the median of `samples` is `bound` or more."""
    reached = statistics.median(samples) >= bound
    return Goal(what, f"≥ {bound:g}{unit}", f"{spread(samples)}{unit}", reached, obstacle)


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """Return this by that for each round: what was measured side by side is compared side by side."""
    return [this / that for this, that in zip(these, those, strict=True)]


def spread(samples: Sequence[float]) -> str:
    """Return the median of `samples`, with the lowest and the highest in parentheses."""
    median = statistics.median(samples)
    digits = 0 if abs(median) >= 100 else 1 if abs(median) >= 10 else 2
    if len(samples) == 1:
        return f"{median:,.{digits}f}"
    return f"{median:,.{digits}f} ({min(samples):,.{digits}f} to {max(samples):,.{digits}f})"
