"""From what was counted to the report."""

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import mean

from loadtest.analysis.collector import Collector, Totals
from loadtest.analysis.diagnosis import findings, generator_limit
from loadtest.analysis.goal import judged
from loadtest.analysis.histogram import histogram, quantile, summary
from loadtest.analysis.ledger import Tokens, requests
from loadtest.analysis.report import Fault, Generator, Process, Report, ScenarioReport, Second, StepReport
from loadtest.settings import Settings
from loadtest.throttle.knee import StepFigures, knee

__all__ = ["Ended", "build_report", "step_figures"]

_LATE_SECONDS = 0.02
"""A step of a ramp whose requests were begun so late says nothing of the target."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What is known of a run beside the counts. `machine` is the part of CPU time that nobody used."""

    stopped: str
    machine: float
    faults: list[Fault]
    processes: list[Process]
    tokens: Tokens
    books: dict[str, int]
    local: bool


def build_report(settings: Settings, collector: Collector, ended: Ended) -> Report:
    """Return the report of a run."""
    steps = step_figures(settings, collector, len(collector.steps)) if settings.ramp else []
    generator = _generator(settings, collector, ended)
    outcomes = collector.outcomes
    report = Report(
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        versions={"tacita": version("tacita"), "python": platform.python_version()},
        machine=f"{platform.machine()}, {platform.system()} {platform.release()}",
        settings=settings.described(),
        seconds=_seconds(settings, collector),
        requests=requests(collector.started, outcomes),
        tokens=ended.tokens,
        scenarios={name: _scenario(totals) for name, totals in sorted(collector.scenarios.items())},
        series=_series(collector),
        steps=[
            StepReport(
                step.offered,
                settings.steps[number].seconds,
                collector.steps[number].started,
                collector.steps[number].answered,
                quantile(collector.steps[number].latency, 0.5),
                step.p99,
                step.limited,
            )
            for number, step in enumerate(steps)
        ],
        generator=generator,
        processes=ended.processes,
        faults=ended.faults,
        books=ended.books,
        knee=_knee(steps) if steps else "",
        findings=_findings(settings, collector, ended),
        stopped=ended.stopped,
    )
    report.goal = judged(settings.goal, report)
    return report


def step_figures(settings: Settings, collector: Collector, ended: int) -> list[StepFigures]:
    """Return the figures of the first `ended` steps of a ramp."""
    figures = []
    for number, step in list(enumerate(settings.steps))[:ended]:
        totals = collector.steps.get(number)
        if totals is None:
            break
        late = quantile(collector.step_late.get(number, {}), 0.99)
        p99 = quantile(totals.latency, 0.99)
        figures.append(
            StepFigures(
                step.rate,
                totals.answered / step.seconds,
                p99,
                limited=late > _LATE_SECONDS and late > p99 / 2,
            )
        )
    return figures


def _seconds(settings: Settings, collector: Collector) -> float:
    """Return how long requests were begun: what was planned, or less where the run ended before."""
    if collector.last_start >= settings.duration - 1.5:
        return settings.duration
    return max(collector.last_start, 1e-3)


def _scenario(totals: Totals) -> ScenarioReport:
    return ScenarioReport(
        started=totals.started,
        outcomes=dict(sorted(totals.outcomes.items(), key=lambda pair: -pair[1])),
        latency=summary(totals.latency),
        service=summary(totals.service),
        first=summary(totals.first),
        gaps=summary(totals.gaps),
        units=totals.units,
        histogram=histogram(totals.latency).encode().decode("ascii"),
    )


def _series(collector: Collector) -> list[Second]:
    """Return every second of the run, those in which nothing happened too."""
    last = max(collector.series, default=-1)
    return [collector.series.get(at) or Second(at) for at in range(last + 1)]


def _generator(settings: Settings, collector: Collector, ended: Ended) -> Generator:
    # The first second has the connections in it, and the last is what was left.
    shares = [one for busy in collector.busy for one in (busy[1:-1] or busy)]
    generator = Generator(
        processes=settings.processes,
        busy=max(shares, default=0.0),
        busy_mean=max(
            (mean(busy[1:-1] or busy) for busy in collector.busy if busy),
            default=0.0,
        ),
        late_p50=quantile(collector.late, 0.5),
        late_p99=quantile(collector.late, 0.99),
        late_max=max(collector.late, default=0) / 1e6,
        queued=collector.queued,
        machine_idle=ended.machine,
    )
    p99 = max((quantile(totals.latency, 0.99) for totals in collector.scenarios.values()), default=0.0)
    generator.limit = generator_limit(generator, p99, local=ended.local, offered=bool(settings.steps))
    return generator


def _knee(steps: list[StepFigures]) -> str:
    found = knee(steps)
    carried = (
        f"{found.rate:,.0f} requests/s were carried" if found.rate else "Not even the first step was carried"
    )
    return f"{carried}; {found.why}." if found.why else f"{carried}: the knee is beyond the ramp."


def _findings(settings: Settings, collector: Collector, ended: Ended) -> list[str]:
    found = findings(collector.outcomes, collector.started)
    if collector.dry and settings.requests is None:
        found.append(
            f"The prepared requests ran out after {collector.last_start:.0f} s; ask for more with --requests."
        )
    if ended.tokens.lost:
        found.append(f"{ended.tokens.lost:,} tokens are lost: they are in no column of the account.")
    if ended.tokens.refused:
        found.append(f"{ended.tokens.refused:,} fresh tokens were refused; something else has spent them.")
    for one in ended.processes:
        if settings.soak and one.growth > 1:
            found.append(
                f"The {one.name} has grown by {one.growth:.1f} MB, and holds {one.resident[-1]:.0f} MB."
            )
        if settings.soak and one.descriptor_growth > 2:
            found.append(f"The {one.name} has {one.descriptor_growth:.0f} more open descriptors than it had.")
    return found
