"""Prometheus metrics whose labels are reasons and buckets, never a person.

Every label value is declared with its metric, so that nothing a peer sends can
become one (R5 of the requirements) and every series exists from the start.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

__all__ = ["CONTENT_TYPE", "Metrics", "Reasons"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Reasons:
    """A counter by one label with a closed set of values."""

    def __init__(self, children: Mapping[str, Counter]) -> None:
        self._children = children

    def inc(self, value: str, amount: float = 1) -> None:
        """Add `amount` under `value`. Raises `KeyError` for a value that was not declared."""
        self._children[value].inc(amount)


class Metrics:
    """The metrics of one process: every name begins with `tacita_<role>_`, or with `process_`."""

    def __init__(self, role: str) -> None:
        self._prefix = f"tacita_{role}_"
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def counter(self, name: str, what: str) -> Counter:
        """Return a counter without labels."""
        return Counter(self._prefix + name, what, registry=self._registry)

    def reasons(self, name: str, what: str, label: str, values: Iterable[str]) -> Reasons:
        """Return a counter with one label whose `values` are closed here; others raise `KeyError`."""
        counter = Counter(self._prefix + name, what, [label], registry=self._registry)
        return Reasons({value: counter.labels(value) for value in values})

    def gauge(self, name: str, what: str) -> Gauge:
        """Return a gauge without labels."""
        return Gauge(self._prefix + name, what, registry=self._registry)

    def histogram(self, name: str, what: str, buckets: Iterable[float]) -> Histogram:
        """Return a histogram over `buckets` (upper bounds, rising)."""
        return Histogram(self._prefix + name, what, buckets=tuple(buckets), registry=self._registry)

    def render(self) -> bytes:
        """Return the text exposition format."""
        return generate_latest(self._registry)
