"""Reports of the load harness, made by hand."""

from random import Random

from loadtest.analysis.histogram import Counts, histogram, quantised, summary
from loadtest.analysis.ledger import Requests, Tokens
from loadtest.analysis.report import (
    Fault,
    Generator,
    Process,
    Report,
    ScenarioReport,
    Second,
    StepReport,
    Verdict,
)

__all__ = ["full", "report", "scenario", "seconds"]


def scenario(microseconds: int, answered: int, *, inside: int = 0) -> ScenarioReport:
    """Return a scenario of so many requests that took all equally long, and `inside` refusals."""
    counts = {quantised(microseconds): answered}
    outcomes = {"answered": answered, **({"inside:502": inside} if inside else {})}
    return of_counts(counts, outcomes)


def of_counts(counts: Counts, outcomes: dict[str, int]) -> ScenarioReport:
    """Return a scenario of these latencies."""
    return ScenarioReport(
        started=sum(outcomes.values()),
        outcomes=outcomes,
        latency=summary(counts),
        service=summary(counts),
        first=summary({}),
        gaps=summary({}),
        units=0,
        histogram=histogram(counts).encode().decode(),
    )


def report(seconds: float = 10.0, series: list[Second] | None = None, **scenarios: ScenarioReport) -> Report:
    """Return a report of `scenarios`."""
    started = sum(one.started for one in scenarios.values())
    answered = sum(one.outcomes.get("answered", 0) for one in scenarios.values())
    return Report(
        created="2026-01-01T00:00:00Z",
        versions={"tacita": "0", "python": "3.11"},
        machine="a machine",
        settings={"scenario": "ask", "loop": "closed loop, 4 under way"},
        seconds=seconds,
        requests=Requests(started, answered, inside=started - answered),
        tokens=Tokens(started, spent=started),
        scenarios=scenarios,
        series=series or [],
        steps=[],
        generator=Generator(1, 0.2, 0.1, 0.0, 0.0001, 0.001, 0, 0.4),
    )


def seconds(number: int, median: float, rate: int, *, seed: int) -> list[Second]:
    """Return seconds of a run with log-normal latencies around `median` (s), by chance."""
    chance = Random(seed)
    made = []
    for at in range(number):
        second = Second(at, started=rate, answered=rate)
        counts: dict[str, int] = {}
        for _ in range(rate):
            value = str(quantised(round(median * 1e6 * chance.lognormvariate(0, 0.4))))
            counts[value] = counts.get(value, 0) + 1
        second.latency["ask"] = counts
        made.append(second)
    return made


def full() -> Report:
    """Return a report that has something of everything, and words that HTML must not take for its own."""
    series = seconds(60, 0.012, 200, seed=1)
    for second in series[20:24]:
        second.failed, second.answered = 60, 140
    counts: Counts = {}
    for second in series:
        for value, times in second.latency["ask"].items():
            counts[int(value)] = counts.get(int(value), 0) + times
    made = report(60.0, series, ask=of_counts(counts, {"answered": 11_760, "outside:502": 240}))
    made.settings = {**made.settings, "scenario": "ask <b>&", "deployment": "local"}
    made.faults = [Fault("kill-gateway", 20.0, 23.5)]
    made.processes = [
        Process("relay", [40 + at / 60 for at in range(60)], [30] * 60, 3.2),
        Process("gateway", [60 + at / 10 for at in range(60)], [40] * 60, 9.9),
    ]
    made.steps = [
        StepReport(100 * 1.25**at, 5, 500, round(490 * 1.2**at), 0.01, 0.02 * 1.3**at) for at in range(8)
    ]
    made.knee = "381 requests/s were carried; at 477/s p99 was 12 times the calm one."
    made.goal = [Verdict("p99<50ms", 0.031, True), Verdict("errors=0", 240.0, False)]
    made.findings = [
        "240 of 12,000 requests were answered 502 outside: the relay could not reach the gateway."
    ]
    return made
