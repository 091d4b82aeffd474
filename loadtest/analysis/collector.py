"""The ticks of all load processes, added up while they come."""

from collections.abc import Mapping

from loadtest.analysis.histogram import Counts, add
from loadtest.analysis.ledger import category
from loadtest.analysis.report import Second
from loadtest.workers.messages import Measured, Tick

__all__ = ["Collector", "Totals"]


class Totals:
    """Everything that was counted of one scenario, or of one step."""

    def __init__(self) -> None:
        self.started = 0
        self.units = 0
        self.outcomes: dict[str, int] = {}
        self.latency: Counts = {}
        self.service: Counts = {}
        self.first: Counts = {}
        self.gaps: Counts = {}

    @property
    def answered(self) -> int:
        """Requests that were answered well."""
        return self.outcomes.get("answered", 0)

    def add(self, measured: Measured) -> None:
        """Add what a tick says."""
        self.started += measured.started
        self.units += measured.units
        for outcome, times in measured.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times
        for mine, theirs in (
            (self.latency, measured.latency),
            (self.service, measured.service),
            (self.first, measured.first),
            (self.gaps, measured.gaps),
        ):
            add(mine, theirs)


class Collector:
    """What was measured so far, over all processes: by scenario, by step, by second."""

    def __init__(self, processes: int) -> None:
        self.scenarios: dict[str, Totals] = {}
        self.steps: dict[int, Totals] = {}
        self.step_late: dict[int, Counts] = {}
        self.series: dict[int, Second] = {}
        self.late: Counts = {}
        self.queued = 0
        self.busy: list[list[float]] = [[] for _ in range(processes)]
        self.in_flight = [0] * processes
        self.used: list[dict[str, int]] = [{} for _ in range(processes)]
        self.died: set[int] = set()
        self.dry = False
        self.last_start = 0.0

    @property
    def outcomes(self) -> dict[str, int]:
        """What became of requests, over all scenarios."""
        whole: dict[str, int] = {}
        for totals in self.scenarios.values():
            for outcome, times in totals.outcomes.items():
                whole[outcome] = whole.get(outcome, 0) + times
        return whole

    @property
    def started(self) -> int:
        """Requests that were begun."""
        return sum(totals.started for totals in self.scenarios.values())

    def take(self, process: int, tick: Tick, start: int) -> None:
        """Add one tick of a run that began at `start` (ns)."""
        after = (tick.at - start) / 1e9
        # A tick tells of the second that has passed.
        second = self.series.setdefault(max(0, round(after) - 1), Second(max(0, round(after) - 1)))
        for measured in tick.measured:
            self.scenarios.setdefault(measured.scenario, Totals()).add(measured)
            self.steps.setdefault(measured.step, Totals()).add(measured)
            _to_second(second, measured)
            if measured.started:
                self.last_start = max(self.last_start, after)
        add(self.late, tick.late)
        if tick.measured:
            # Between two steps both are in one tick: the later one is charged.
            add(self.step_late.setdefault(max(one.step for one in tick.measured), {}), tick.late)
        self.queued += tick.queued
        self.busy[process].append(tick.busy)
        self.in_flight[process] = tick.in_flight
        self.used[process] = tick.used
        self.dry = self.dry or tick.dry


def _to_second(second: Second, measured: Measured) -> None:
    second.started += measured.started
    for outcome, times in measured.outcomes.items():
        if category(outcome) == "answered":
            second.answered += times
        else:
            second.failed += times
    if measured.latency:
        counts = second.latency.setdefault(measured.scenario, {})
        _add_text(counts, measured.latency)


def _add_text(counts: dict[str, int], more: Mapping[int, int]) -> None:
    for value, times in more.items():
        key = str(value)
        counts[key] = counts.get(key, 0) + times
