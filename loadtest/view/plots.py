"""Which plots a report has: rates and latencies over time, quantiles, the ramp, memory."""

from collections.abc import Mapping, Sequence

from loadtest.analysis.histogram import Counts, add, quantile
from loadtest.analysis.report import Report, Second
from loadtest.notation import seconds_text
from loadtest.view.scales import Axis, linear, logarithmic, percentiles
from loadtest.view.svg import Band, Line, plot

__all__ = ["plots"]

_POINTS = 240
"""Places on the time axis; of a longer run several seconds are one."""


def plots(report: Report) -> list[str]:
    """Return the figures of `report`, those that have something in them."""
    made = []
    if len(report.series) > 1:
        made += [_rates(report), _latencies(report)]
    if any(one.latency["count"] for one in report.scenarios.values()):
        made.append(_quantiles(report))
    if len(report.steps) > 1:
        made.append(_ramp(report))
    if any(len(process.resident) > 2 for process in report.processes):
        made.append(_memory(report))
    return made


def _rates(report: Report) -> str:
    grouped = _grouped(report.series)
    answered = [(at, float(sum(one.answered for one in group)) / len(group)) for at, group in grouped]
    failed = [(at, float(sum(one.failed for one in group)) / len(group)) for at, group in grouped]
    lines = [Line("answered", answered, 0), Line("not answered", failed, 1)]
    top = max([value for _, value in answered + failed], default=1.0)
    return plot(
        "Rate", _time_axis(report), linear(0, max(top, 1), lambda value: f"{value:,.0f}"), lines,
        x_title="seconds", y_title="requests a second", bands=_bands(report),
    )  # fmt: skip


def _latencies(report: Report) -> str:
    lines = []
    for number, (name, share) in enumerate((("p50", 0.5), ("p90", 0.9), ("p99", 0.99))):
        points = [(at, quantile(_counts(group), share) or None) for at, group in _grouped(report.series)]
        lines.append(Line(name, points, (0, 2, 1)[number]))
    return plot(
        "Latency over time", _time_axis(report), _latency_axis(lines), lines,
        x_title="seconds", y_title="from when a request was due; logarithmic", bands=_bands(report),
    )  # fmt: skip


def _quantiles(report: Report) -> str:
    lines, most = [], 0.9
    for number, name in enumerate(report.scenarios):
        counts: Counts = {}
        for second in report.series:
            add(counts, _numbers(second.latency.get(name, {})))
        total = sum(counts.values())
        if not total:
            continue
        most = max(most, 1 - 1 / (total + 1))
        seen, points = 0, []
        for value in sorted(counts):
            points.append((seen / total, value / 1e6))
            seen += counts[value]
            points.append(((seen - 0.5) / total, value / 1e6))
        lines.append(Line(name, _thinned(points), number % 5))
    return plot(
        "Latency by quantile", percentiles(most), _latency_axis(lines), lines,
        x_title="share of requests that were answered at least as fast", y_title="logarithmic",
    )  # fmt: skip


def _ramp(report: Report) -> str:
    offered = [(step.rate, step.rate) for step in report.steps]
    answered = [(step.rate, step.answered / step.seconds) for step in report.steps]
    top = max(value for _, value in offered + answered)
    axis = linear(0, top, lambda value: f"{value:,.0f}")
    lines = [Line("due", offered, 3), Line("answered", answered, 0)]
    return plot("Ramp", axis, axis, lines, x_title="requests due a second", y_title="requests a second")


def _memory(report: Report) -> str:
    lines = [
        Line(process.name, list(enumerate(process.resident)), number % 5)
        for number, process in enumerate(report.processes)
    ]
    top = max(value for line in lines for _, value in line.points if value is not None)
    samples = max(len(line.points) for line in lines)
    return plot(
        "Memory of the target", linear(0, max(1, samples - 1), lambda value: f"{value:g}"),
        linear(0, top, lambda value: f"{value:,.0f}"), lines,
        x_title="seconds", y_title="MB resident, children included", bands=_bands(report),
    )  # fmt: skip


def _grouped(series: Sequence[Second]) -> list[tuple[float, list[Second]]]:
    size = -(-len(series) // _POINTS)
    groups = [list(series[start : start + size]) for start in range(0, len(series), size)]
    return [(group[0].at + len(group) / 2, group) for group in groups]


def _counts(group: Sequence[Second]) -> Counts:
    counts: Counts = {}
    for second in group:
        for latency in second.latency.values():
            add(counts, _numbers(latency))
    return counts


def _numbers(latency: Mapping[str, int]) -> Counts:
    return {int(value): times for value, times in latency.items()}


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float | None]]:
    """Return every so manieth point, the last tenth of them whole: there the curve bends."""
    size = max(1, len(points) // 400)
    head = len(points) * 9 // 10
    return [*points[:head:size], *points[head:]]


def _latency_axis(lines: Sequence[Line]) -> Axis:
    values = [value for line in lines for _, value in line.points if value]
    return logarithmic(min(values, default=1e-3), max(values, default=1.0), seconds_text)


def _time_axis(report: Report) -> Axis:
    return linear(0, max(1, len(report.series)), lambda value: f"{value:g}", ticks=10)


def _bands(report: Report) -> list[Band]:
    return [Band(fault.name, fault.begin, fault.end) for fault in report.faults]
