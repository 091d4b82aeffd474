"""Two runs side by side, with intervals that say what is chance.

Requests of one run are not independent: a slow second is slow for all of them. So the unit of
chance is a stretch of seconds, not a request: block bootstrap (Carlstein 1986; Efron and
Tibshirani, "An Introduction to the Bootstrap", 1993). Blocks of consecutive seconds are drawn with
replacement until they are as long as the run, the figure is computed of what was drawn, 1,000
times for each run; the interval holds the middle 95 % of the differences. A difference whose
interval has zero in it has not been shown. The first second of each run, in which connections are
made, is left out, and so is the last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from loadtest.analysis.histogram import Counts, add, quantile
from loadtest.analysis.report import Report, Second
from loadtest.errors import ReportUnusable

__all__ = ["Difference", "compare"]

_REPEATS = 1_000
_LEAST_SECONDS = 8
_MOST_BLOCKS = 24
"""Blocks that a run is drawn from; more would only cost time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure in both runs; `low` to `high` is the 95 % interval of b - a, in the figure's own unit."""

    scenario: str
    figure: str
    a: float
    b: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether the runs differ by more than chance."""
        return self.low > 0 or self.high < 0

    @property
    def better(self) -> bool:
        """Whether `b` is the better one, if they differ: rates go up, times and errors down."""
        return (self.b > self.a) == (self.figure == "rps")


@dataclass(frozen=True, slots=True)
class _Block:
    seconds: int
    answered: int
    counts: Counts


_Figure = Callable[[Sequence[_Block]], float]


def compare(a: Report, b: Report, *, seed: int = 1, repeats: int = _REPEATS) -> list[Difference]:
    """Return the differences of `b` from `a`, of each scenario that both have.

    Raises:
        ReportUnusable: they have no scenario in common, or a run was too short to tell chance from
            anything.
    """
    common = [name for name in a.scenarios if name in b.scenarios]
    if not common:
        raise ReportUnusable("The two runs have no scenario in common; there is nothing to compare.")
    chance = Random(seed)  # noqa: S311 (resampling)
    found = []
    for scenario in common:
        first, second = (_blocks(report.series, scenario) for report in (a, b))
        for name, figure in _FIGURES.items():
            differences = sorted(
                figure(_drawn(second, chance)) - figure(_drawn(first, chance)) for _ in range(repeats)
            )
            low, high = (differences[round(share * (repeats - 1))] for share in (0.025, 0.975))
            found.append(Difference(scenario, name, figure(first), figure(second), low, high))
    return found


def _blocks(series: Sequence[Second], scenario: str) -> list[_Block]:
    """Return the seconds of a run but the first and the last, which is not a whole one, in blocks."""
    seconds = [_counts(second.latency.get(scenario, {})) for second in series[1:-1]]
    if len(seconds) < _LEAST_SECONDS:
        raise ReportUnusable(
            f"A run to be compared has {_LEAST_SECONDS + 2} seconds at least; run it longer."
        )
    length = max(1, len(seconds) // _MOST_BLOCKS)
    blocks = []
    for start in range(0, len(seconds) - length + 1, length):
        counts: Counts = {}
        for one in seconds[start : start + length]:
            add(counts, one)
        blocks.append(_Block(length, sum(counts.values()), counts))
    return blocks


def _counts(latency: Mapping[str, int]) -> Counts:
    return {int(value): times for value, times in latency.items()}


def _drawn(blocks: Sequence[_Block], chance: Random) -> list[_Block]:
    return chance.choices(blocks, k=len(blocks))


def _rate(blocks: Sequence[_Block]) -> float:
    return sum(block.answered for block in blocks) / sum(block.seconds for block in blocks)


def _quantile(share: float) -> _Figure:
    def figure(blocks: Sequence[_Block]) -> float:
        counts: Counts = {}
        for block in blocks:
            add(counts, block.counts)
        return quantile(counts, share)

    return figure


_FIGURES: dict[str, _Figure] = {
    "rps": _rate,
    "p50": _quantile(0.5),
    "p90": _quantile(0.9),
    "p99": _quantile(0.99),
}
