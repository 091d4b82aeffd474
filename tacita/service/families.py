"""Metrics as they travel from a worker to its supervisor, and what several of them make together.

Counters and histograms are summed. Of a gauge its declaration says what stands for all workers: the sum
(things under way, memory), the least or the greatest. What ended workers have counted stays in the sum, so
that no counter ever falls: Prometheus would take that for a restart, and count everything anew.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

__all__ = ["Across", "Family", "counted", "render", "together"]

Across: TypeAlias = Literal["sum", "min", "max"]
"""What of a gauge stands for all workers."""

_OF_PROCESSES: dict[str, Across] = {"process_start_time_seconds": "min"}
"""The one gauge of the library's own that is no sum."""

_FOLD: dict[Across, Callable[[Iterable[float]], float]] = {"sum": sum, "min": min, "max": max}

_Labels = tuple[tuple[str, str], ...]


class Family(msgspec.Struct, frozen=True):
    """One metric with all its series: `samples` are name, labels and value of each."""

    name: str
    kind: str
    what: str
    across: Across
    samples: tuple[tuple[str, _Labels, float], ...]

    @classmethod
    def of(cls, metric: Metric, across: Across | None) -> "Family":
        """Return what `metric` shows now. When its series were made is left out: that is the start."""
        return cls(
            metric.name,
            metric.type,
            metric.documentation,
            across or _OF_PROCESSES.get(metric.name, "sum"),
            tuple(
                (sample.name, tuple(sample.labels.items()), sample.value)
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ),
        )


def together(parts: Iterable[Sequence[Family]]) -> list[Family]:
    """Return what several processes show as one, in the order of their first appearance."""
    first: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, _Labels], list[float]]] = {}
    for families in parts:
        for family in families:
            first.setdefault(family.name, family)
            series = values.setdefault(family.name, {})
            for name, labels, value in family.samples:
                series.setdefault((name, labels), []).append(value)
    return [
        msgspec.structs.replace(
            family,
            samples=tuple(
                (sample, labels, float(_FOLD[family.across](found)))
                for (sample, labels), found in values[name].items()
            ),
        )
        for name, family in first.items()
    ]


def counted(families: Iterable[Family]) -> list[Family]:
    """Return those that only grow: what is kept of a process that has ended."""
    return [family for family in families if family.kind in {"counter", "histogram"}]


def render(families: Iterable[Family]) -> bytes:
    """Return the text exposition format."""
    registry = CollectorRegistry()
    registry.register(_Shown(families))
    return generate_latest(registry)


class _Shown(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.what, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric
