"""A report as Markdown, for a pull request or an operator's notes."""

from loadtest.analysis.report import Report
from loadtest.view import figures

__all__ = ["to_markdown"]

_SHOWN = ("p50", "p90", "p99", "p99.9", "max")


def to_markdown(report: Report) -> str:
    """Return `report` as Markdown."""
    requests, tokens, generator = report.requests, report.tokens, report.generator
    lines = ["# Load report", ""]
    lines += [f"- {title}: {value}" for title, value in report.settings.items() if value]
    lines += [
        f"- machine: {report.machine}, Python {report.versions.get('python', '')}",
        f"- {report.created}",
        "",
    ]
    for sentence in filter(None, [report.stopped, generator.limit, *report.findings]):
        lines += [f"> {sentence}", ""]
    lines += _table(
        ["scenario", "answered", "rate", *_SHOWN],
        [
            [
                name,
                figures.count(one.outcomes.get("answered", 0)),
                figures.rate(one.outcomes.get("answered", 0) / report.seconds if report.seconds else 0.0),
                *(figures.time(one.latency[column]) for column in _SHOWN),
            ]
            for name, one in report.scenarios.items()
        ],
    )
    streams = [
        [f"{name}, {what}", *(figures.time(summary[column]) for column in _SHOWN)]
        for name, one in report.scenarios.items()
        for what, summary in (("to the first event", one.first), ("between events", one.gaps))
        if summary["count"]
    ]
    if streams:
        lines += _table(["streams", *_SHOWN], streams)
    columns = ["started", "answered", "inside", "outside", "burnt", "unsent", "lost"]
    lines += _table(
        ["requests", *columns], [["", *(figures.count(getattr(requests, one)) for one in columns)]]
    )
    if tokens.taken:
        columns = ["taken", "spent", "given_back", "refused", "burnt", "unseen", "returned", "lost"]
        shown = [one.replace("_", " ") for one in columns]
        row = ["", *(figures.count(getattr(tokens, one)) for one in columns)]
        lines += _table(["tokens", *shown], [row])
    if report.steps:
        lines += [report.knee, ""]
        lines += _table(
            ["due", "answered", "p50", "p99"],
            [
                [
                    figures.rate(step.rate),
                    figures.rate(step.answered / step.seconds),
                    figures.time(step.p50),
                    figures.time(step.p99),
                ]
                for step in report.steps
            ],
        )
    if report.processes:
        lines += _table(
            ["process", "memory at the end", "growth", "descriptors", "CPU"],
            [
                [
                    one.name,
                    f"{one.resident[-1]:.1f} MB",
                    f"{one.growth:+.1f} MB",
                    str(one.descriptors[-1]),
                    f"{one.cpu:.1f} s",
                ]
                for one in report.processes
            ],
        )
    if report.faults:
        lines += _table(
            ["fault", "from", "to"],
            [[one.name, f"{one.begin:.1f} s", f"{one.end:.1f} s"] for one in report.faults],
        )
    lines += [
        f"Generator: {figures.percent(generator.busy)} of a core at most in {generator.processes} "
        f"process(es), p99 of lateness {figures.time(generator.late_p99)}; "
        f"machine {figures.percent(generator.machine_idle)} idle.",
        "",
    ]
    if report.goal:
        lines += _table(
            ["goal", "found", ""],
            [
                [f"`{one.condition}`", f"{one.found:.6g}", "met" if one.met else "**not met**"]
                for one in report.goal
            ],
        )
    return "\n".join(lines).rstrip() + "\n"


def _table(titles: list[str], rows: list[list[str]]) -> list[str]:
    head = f"| {' | '.join(titles)} |"
    rule = f"|{'---|' + '---:|' * (len(titles) - 1)}"
    return [head, rule, *(f"| {' | '.join(row)} |" for row in rows), ""]
