"""A report as one HTML file that opens from disk: style and plots are in it, nothing is fetched."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from loadtest.analysis.report import Report
from loadtest.view import figures
from loadtest.view.plots import plots

__all__ = ["to_html"]

_SHOWN = ("p50", "p90", "p99", "p99.9", "max")
_NO_CONNECTIONS = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(report: Report) -> str:
    """Return `report` as a document."""
    style = files("loadtest.view").joinpath("report.css").read_text(encoding="utf-8")
    title = f"Load report: {report.settings.get('scenario', '')}"
    body = [
        f"<header><h1>{escape(title)}</h1><p>{escape(_subtitle(report))}</p></header>",
        _verdicts(report),
        _key_figures(report),
        _sentences(report),
        *plots(report),
        "<h2>Latency</h2>",
        _latencies(report),
        "<h2>The account</h2>",
        _account(report),
        *_processes(report),
        "<h2>The run</h2>",
        _table(["", ""], [[name, value] for name, value in _told(report)], plain=True),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_NO_CONNECTIONS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><main>\n{chr(10).join(part for part in body if part)}\n</main></body></html>\n"
    )


def _subtitle(report: Report) -> str:
    return ", ".join(
        filter(None, [report.settings.get("loop", ""), report.settings.get("time", ""), report.created])
    )


def _verdicts(report: Report) -> str:
    chips = [
        f'<span class="{"met" if one.met else "missed"}">{escape(one.condition)} '
        f"{'met' if one.met else 'not met'}</span>"
        for one in report.goal
    ]
    return f'<p class="goal">{"".join(chips)}</p>' if chips else ""


def _key_figures(report: Report) -> str:
    worst = max(report.scenarios.values(), key=lambda one: one.latency["p99"], default=None)
    shown = [
        ("answered/s", figures.count(report.rate)),
        ("p50", figures.time(worst.latency["p50"]) if worst else "-"),
        ("p99", figures.time(worst.latency["p99"]) if worst else "-"),
        ("requests", figures.count(report.requests.started)),
        ("not answered", figures.count(report.requests.failed)),
        ("lost", figures.count(report.requests.lost + report.tokens.lost)),
    ]
    cells = "".join(
        f"<div><b>{escape(value)}</b><small>{escape(name)}</small></div>" for name, value in shown
    )
    return f'<section class="key">{cells}</section>'


def _sentences(report: Report) -> str:
    told = [one for one in (report.stopped, report.generator.limit, report.knee, *report.findings) if one]
    items = "".join(f"<li>{escape(one)}</li>" for one in told)
    return f'<ul class="findings">{items}</ul>' if items else ""


def _latencies(report: Report) -> str:
    rows = []
    for name, one in report.scenarios.items():
        answered = one.outcomes.get("answered", 0)
        rate = answered / report.seconds if report.seconds else 0.0
        for title, count, pace, summary in (
            (name, answered, figures.rate(rate), one.latency),
            (f"{name}, from when it was sent", answered, "", one.service),
            (f"{name}, to the first event", int(one.first["count"]), "", one.first),
            (f"{name}, between events", int(one.gaps["count"]), "", one.gaps),
        ):
            if summary["count"]:
                rows.append(
                    [title, figures.count(count), pace, *(figures.time(summary[key]) for key in _SHOWN)]
                )
    return _table(["", "count", "rate", *_SHOWN], rows)


def _account(report: Report) -> str:
    columns = ("started", "answered", "inside", "outside", "burnt", "unsent", "lost")
    made = _table(
        ["requests", *columns], [["", *(figures.count(getattr(report.requests, name)) for name in columns)]]
    )
    if report.tokens.taken:
        shown = ("taken", "returned", "spent", "given_back", "refused", "burnt", "unseen", "lost")
        made += _table(
            ["tokens", *(name.replace("_", " ") for name in shown)],
            [["", *(figures.count(getattr(report.tokens, name)) for name in shown)]],
        )
    reasons = [
        [name, outcome, figures.count(times)]
        for name, one in report.scenarios.items()
        for outcome, times in one.outcomes.items()
        if outcome != "answered"
    ]
    return made + (_table(["scenario", "reason", "requests"], reasons) if reasons else "")


def _processes(report: Report) -> Iterable[str]:
    if not report.processes:
        return []
    rows = [
        [
            one.name,
            f"{one.resident[-1]:.1f} MB",
            f"{one.growth:+.1f} MB",
            str(one.descriptors[-1]),
            f"{one.descriptor_growth:+.0f}",
            f"{one.cpu:.1f} s",
        ]
        for one in report.processes
        if one.resident
    ]
    titles = ["process", "memory", "growth", "descriptors", "growth", "CPU"]
    return ["<h2>Processes of the target</h2>", _table(titles, rows)]


def _told(report: Report) -> list[tuple[str, str]]:
    generator = report.generator
    told = [(name, value) for name, value in report.settings.items() if value]
    told.append(("machine", f"{report.machine}, Python {report.versions.get('python', '')}"))
    told.append(
        (
            "generator",
            f"{figures.percent(generator.busy)} of a core at most in {generator.processes} process(es); "
            f"p99 of lateness {figures.time(generator.late_p99)}; "
            f"{generator.queued:,} waited for a connection; "
            f"the machine was {figures.percent(generator.machine_idle)} idle",
        )
    )
    told += [("fault", f"{one.name}, {one.begin:.1f} to {one.end:.1f} s") for one in report.faults]
    if report.books:
        counted = ", ".join(f"{name} {times:,}" for name, times in report.books.items() if times)
        told.append(("the gateway's own count of tokens", counted))
    return told


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, plain: bool = False) -> str:
    head = "" if plain else f"<tr>{''.join(f'<th>{escape(one)}</th>' for one in titles)}</tr>"
    body = "".join(f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in row)}</tr>" for row in rows)
    return f'<div class="wide"><table class="{"told" if plain else ""}">{head}{body}</table></div>'
