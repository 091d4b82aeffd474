"""Goals: what a run has to reach for exit code 0, as `p99<50ms,errors=0,rps>=2000`.

    goal       = condition *( "," condition )
    condition  = [ scenario "." ] metric operator number [ unit ]
    operator   = "<" / "<=" / ">" / ">=" / "="
    unit       = "us" / "ms" / "s" / "%" / "MB"

Metrics, of the whole run or of one scenario: `p50`, `p90`, `p99`, `p99.9`, `max`, `mean` (latency,
from when a request was due), `first.p50` … (to the first event of a stream), `gap.p50` … (between
events), `rps` (answered a second), `errors` (requests that were not answered well; with `%` their
share), `answered`, `inside`, `outside`, `burnt`, `unsent`, `lost`, `lost_tokens`,
`refused_tokens`, `tokens` (issued a second), `busy` (the generator's CPU share), `memory` (the
largest growth of a process of the target, MB), `descriptors` (the same of open descriptors).

A condition on a latency of which nothing was measured is not met.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.analysis.report import Report, ScenarioReport, Verdict
from loadtest.errors import GoalMalformed
from loadtest.scenarios import SCENARIOS

__all__ = ["Condition", "judged", "parse"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_LATENCIES = ("p50", "p90", "p99", "p99.9", "max", "mean")
_UNITS_OF = {"errors": ("%", ""), "busy": ("%", ""), "memory": ("MB",)}
_COUNTS = ("answered", "inside", "outside", "burnt", "unsent", "errors", "rps", "tokens")
_WHOLE = ("lost", "lost_tokens", "refused_tokens", "busy", "memory", "descriptors")
_CONDITION = re.compile(
    r"(?:(?P<scenario>[a-z]+)\.)??(?P<metric>(?:first\.|gap\.)?[a-z_]+[0-9.]*?)"
    r"(?P<operator><=|>=|<|>|=)(?P<number>\d{1,12}(?:\.\d{1,9})?)(?P<unit>us|ms|s|%|MB)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """`metric` of `scenario` (empty: the whole run) compared with `bound`; `unit` is how it was written."""

    scenario: str
    metric: str
    operator: str
    number: str
    unit: str

    def __str__(self) -> str:
        scenario = f"{self.scenario}." if self.scenario else ""
        return f"{scenario}{self.metric}{self.operator}{self.number}{self.unit}"

    @property
    def bound(self) -> float:
        """The number, latencies in seconds and shares from 0 to 1."""
        if self.unit == "%":
            return float(self.number) / 100
        return float(self.number) * _UNITS.get(self.unit, 1.0)

    def judge(self, report: Report) -> Verdict:
        """Look what `report` has, and compare."""
        found = _find(self, report)
        met = not math.isnan(found) and _OPERATORS[self.operator](found, self.bound)
        return Verdict(str(self), 0.0 if math.isnan(found) else found, met)


def parse(text: str) -> tuple[Condition, ...]:
    """Return the conditions that `text` has.

    Raises:
        GoalMalformed: it is no goal, or names what is not measured.
    """
    conditions = []
    for part in text.replace(" ", "").split(","):
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise GoalMalformed("A goal is written as p99<50ms,errors=0,rps>=2000; see docs/load.md.")
        found = Condition(
            match["scenario"] or "",
            match["metric"],
            match["operator"],
            match["number"],
            match["unit"] or "",
        )
        _check(found)
        conditions.append(found)
    return tuple(conditions)


def judged(conditions: tuple[Condition, ...], report: Report) -> list[Verdict]:
    """Return what became of each condition."""
    return [condition.judge(report) for condition in conditions]


def _check(condition: Condition) -> None:
    prefix, dot, plain = condition.metric.partition(".")
    timed = plain if dot and prefix in ("first", "gap") else condition.metric
    is_time = timed in _LATENCIES
    if condition.scenario and condition.scenario not in SCENARIOS:
        raise GoalMalformed(f"A goal names a scenario that there is not; there are {', '.join(SCENARIOS)}.")
    if not is_time and condition.metric not in _COUNTS + _WHOLE:
        raise GoalMalformed("A goal names something that is not measured; docs/load.md lists what is.")
    if condition.scenario and condition.metric in _WHOLE:
        raise GoalMalformed(f"{condition.metric} is of the whole run, and not of one scenario.")
    allowed = (
        tuple(_UNITS)
        if is_time
        else {"errors": ("%", ""), "busy": ("%", ""), "memory": ("MB",)}.get(condition.metric, ("",))
    )
    if condition.unit not in allowed:
        raise GoalMalformed(
            f"{condition.metric} is not measured in what the goal says; times have us, ms or s behind them."
        )


def _find(condition: Condition, report: Report) -> float:
    metric = condition.metric
    if metric in _WHOLE:
        return _of_whole(metric, report)
    chosen = (
        [one for name, one in report.scenarios.items() if name == condition.scenario]
        if condition.scenario
        else list(report.scenarios.values())
    )
    if metric in _COUNTS:
        return _counted(metric, condition.unit, chosen, report)
    return _timed(metric, chosen)


def _of_whole(metric: str, report: Report) -> float:
    if metric == "memory":
        return max((one.growth for one in report.processes), default=math.nan)
    if metric == "descriptors":
        return max((one.descriptor_growth for one in report.processes), default=math.nan)
    return {
        "lost": float(report.requests.lost),
        "lost_tokens": float(report.tokens.lost),
        "refused_tokens": float(report.tokens.refused),
        "busy": report.generator.busy,
    }[metric]


def _counted(metric: str, unit: str, chosen: list[ScenarioReport], report: Report) -> float:
    answered = sum(one.outcomes.get("answered", 0) for one in chosen)
    started = sum(one.started for one in chosen)
    if metric == "answered":
        return answered
    if metric == "rps":
        return answered / report.seconds if report.seconds else 0.0
    if metric == "tokens":
        issued = sum(one.units for name, one in report.scenarios.items() if name == "issue" and one in chosen)
        return issued / report.seconds if report.seconds else 0.0
    if metric == "errors":
        return (started - answered) / max(1, started) if unit == "%" else started - answered
    return sum(
        times for one in chosen for outcome, times in one.outcomes.items() if outcome.startswith(f"{metric}:")
    )


def _timed(metric: str, chosen: list[ScenarioReport]) -> float:
    """Return the worst of the scenarios: a goal for all of them is one for each."""
    prefix, _, plain = metric.partition(".")
    found = []
    for one in chosen:
        summary = {"first": one.first, "gap": one.gaps}.get(prefix, one.latency)
        name = plain if prefix in ("first", "gap") else metric
        if summary.get("count"):
            found.append(summary[name])
        elif prefix not in ("first", "gap"):
            return math.nan
    return max(found, default=math.nan)
