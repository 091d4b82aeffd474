"""The end of a run on a terminal: what was measured, the account, what is wrong, the goal."""

from rich import box
from rich.console import Console
from rich.table import Table

from loadtest.analysis.compare import Difference
from loadtest.analysis.report import Report
from loadtest.view import figures

__all__ = ["show", "show_differences"]

_SHOWN = ("p50", "p90", "p99", "p99.9", "max")


def show(report: Report, console: Console) -> None:
    """Print `report`."""
    for title, value in report.settings.items():
        if value:
            console.print(f"{title + ':':13} {value}", markup=False, highlight=False, soft_wrap=True)
    console.print(_latencies(report))
    console.print(_account(report))
    generator = report.generator
    console.print(
        f"generator: {figures.percent(generator.busy)} of a core at most, "
        f"p99 of lateness {figures.time(generator.late_p99)}, "
        f"{generator.queued:,} waited for a connection; "
        f"machine {figures.percent(generator.machine_idle)} idle",
        highlight=False,
        soft_wrap=True,
    )
    if report.knee:
        console.print(_steps(report))
        console.print(report.knee, style="bold", highlight=False)
    for sentence in filter(None, [generator.limit, *report.findings, report.stopped]):
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)
    for verdict in report.goal:
        met = "met" if verdict.met else "NOT met"
        console.print(
            f"goal {verdict.condition}: {met} ({verdict.found:.6g})",
            style="green" if verdict.met else "bold red",
            highlight=False,
        )


def show_differences(differences: list[Difference], console: Console) -> None:
    """Print a comparison."""
    table = Table("scenario", "figure", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for title in ("A", "B", "change", "95 % interval"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in differences:
        written = figures.rate if one.figure == "rps" else figures.time
        change = (one.b - one.a) / one.a if one.a else 0.0
        verdict = ("better" if one.better else "worse") if one.shown else "not shown"
        table.add_row(
            one.scenario,
            one.figure,
            written(one.a),
            written(one.b),
            f"{change:+.1%}",
            _interval(one),
            verdict,
        )
    console.print(table)
    console.print(
        "Block bootstrap over seconds, 1,000 resamples; docs/load.md says how to read it.", style="dim"
    )


def _latencies(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("scenario", no_wrap=True)
    for title in ("answered", "rate", *_SHOWN):
        table.add_column(title, justify="right", no_wrap=True)
    for name, one in report.scenarios.items():
        answered = one.outcomes.get("answered", 0)
        rate = answered / report.seconds if report.seconds else 0.0
        table.add_row(
            name,
            figures.count(answered),
            figures.rate(rate),
            *(figures.time(one.latency[column]) for column in _SHOWN),
        )
        for title, summary in (("first event", one.first), ("gaps", one.gaps)):
            if summary["count"]:
                shown = (figures.time(summary[column]) for column in _SHOWN)
                table.add_row(f" {title}", figures.count(summary["count"]), "", *shown)
    return table


def _account(report: Report) -> Table:
    requests, tokens = report.requests, report.tokens
    table = Table("", box=box.SIMPLE_HEAD)
    for title in ("started", "answered", "inside", "outside", "burnt", "unsent", "lost"):
        table.add_column(title, justify="right")
    row = (
        requests.started, requests.answered, requests.inside, requests.outside,
        requests.burnt, requests.unsent, requests.lost,
    )  # fmt: skip
    table.add_row("requests", *map(figures.count, row))
    if tokens.taken:
        table.add_row("", "taken", "spent", "given back", "refused", "burnt", "unseen", "lost", style="dim")
        spent = (
            tokens.taken - tokens.returned, tokens.spent, tokens.given_back, tokens.refused,
            tokens.burnt, tokens.unseen, tokens.lost,
        )  # fmt: skip
        table.add_row("tokens", *map(figures.count, spent))
    return table


def _steps(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("due", "answered", "p50", "p99"):
        table.add_column(title, justify="right")
    for step in report.steps:
        table.add_row(
            figures.rate(step.rate),
            figures.rate(step.answered / step.seconds),
            figures.time(step.p50),
            figures.time(step.p99),
        )
    return table


def _interval(one: Difference) -> str:
    """Return the interval in one unit for both of its ends."""
    if one.figure == "rps":
        return f"{one.low:+,.1f} to {one.high:+,.1f} /s"
    widest = max(abs(one.low), abs(one.high))
    factor, unit = (1e6, "µs") if widest < 1e-3 else (1e3, "ms") if widest < 1 else (1.0, "s")
    return f"{one.low * factor:+.3g} to {one.high * factor:+.3g} {unit}"
