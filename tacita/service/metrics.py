"""Prometheus metrics whose labels are reasons and buckets, never a person.

Every label value is declared with its metric, so that nothing a peer sends can
become one (R5 of the requirements) and every series exists from the start.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from tacita.service.families import Across, Family, render

__all__ = ["CONTENT_TYPE", "Metrics", "Reasons"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Reasons(Collector):
    """A counter by one label with a closed set of values, for one thread.

    Several are counted with each request. A plain sum that is read when somebody asks for it costs
    a tenth of the library's own counter.
    """

    def __init__(self, name: str, what: str, label: str, values: Iterable[str]) -> None:
        self._name = name
        self._what = what
        self._label = label
        self._sums: dict[str, float] = dict.fromkeys(values, 0)

    def inc(self, value: str, amount: float = 1) -> None:
        """Add `amount` under `value`. Raises `KeyError` for a value that was not declared."""
        self._sums[value] += amount

    def collect(self) -> Iterable[Metric]:
        """Return what was counted."""
        family = CounterMetricFamily(self._name, self._what, labels=[self._label])
        for value, total in self._sums.items():
            family.add_metric([value], total)
        return [family]


class Metrics:
    """The metrics of one process: every name begins with `tacita_<role>_`, or with `process_`."""

    def __init__(self, role: str) -> None:
        self._prefix = f"tacita_{role}_"
        self._registry = CollectorRegistry()
        self._across: dict[str, Across] = {}
        ProcessCollector(registry=self._registry)

    def counter(self, name: str, what: str) -> Counter:
        """Return a counter without labels."""
        return Counter(self._prefix + name, what, registry=self._registry)

    def reasons(self, name: str, what: str, label: str, values: Iterable[str]) -> Reasons:
        """Return a counter with one label whose `values` are closed here; others raise `KeyError`."""
        reasons = Reasons(self._prefix + name, what, label, values)
        self._registry.register(reasons)
        return reasons

    def gauge(self, name: str, what: str, *, across: Across = "sum") -> Gauge:
        """Return a gauge without labels; `across` says what stands for several workers."""
        self._across[self._prefix + name] = across
        return Gauge(self._prefix + name, what, registry=self._registry)

    def histogram(self, name: str, what: str, buckets: Iterable[float]) -> Histogram:
        """Return a histogram over `buckets` (upper bounds, rising)."""
        return Histogram(self._prefix + name, what, buckets=tuple(buckets), registry=self._registry)

    def register(self, collector: Collector) -> None:
        """Take what `collector` gives at each rendering; its names begin with `prefix`."""
        self._registry.register(collector)

    @property
    def prefix(self) -> str:
        """What every name begins with."""
        return self._prefix

    def families(self) -> list[Family]:
        """Return what there is to show now."""
        return [Family.of(metric, self._across.get(metric.name)) for metric in self._registry.collect()]

    def render(self) -> bytes:
        """Return the text exposition format."""
        return render(self.families())
