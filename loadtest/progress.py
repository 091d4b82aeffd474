"""The run as it is now, out of what was collected so far."""

from loadtest.analysis.collector import Collector
from loadtest.analysis.histogram import Counts, add, merged, quantile
from loadtest.local.watch import Watch
from loadtest.settings import Settings
from loadtest.view.base import Snapshot, View

__all__ = ["Progress"]

_RECENT = 5
_SHOWN = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


class Progress:
    """Shows a snapshot whenever a second is complete."""

    def __init__(self, settings: Settings, collector: Collector, view: View, watch: Watch) -> None:
        self._settings = settings
        self._collector = collector
        self._view = view
        self._watch = watch
        self._shown = -1

    def show(self, after: float) -> None:
        """Show the run as it is `after` seconds, once a second, when every process has told of it."""
        collector = self._collector
        last = min(len(busy) for busy in collector.busy) - 1
        if last <= self._shown:
            return
        self._shown = last
        recent: Counts = {}
        complete = [one for at, one in sorted(collector.series.items()) if at <= last]
        for second in complete[-_RECENT:]:
            for latency in second.latency.values():
                add(recent, {int(value): times for value, times in latency.items()})
        whole = merged(totals.latency for totals in collector.scenarios.values())
        outcomes = collector.outcomes
        answered = outcomes.pop("answered", 0)
        self._view.running(
            Snapshot(
                elapsed=after,
                duration=self._settings.duration,
                started=collector.started,
                answered=answered,
                failed=sum(outcomes.values()),
                rate=float(complete[-1].answered) if complete else 0.0,
                offered=self._offered(after),
                in_flight=sum(collector.in_flight),
                recent={name: quantile(recent, share) for name, share in _SHOWN.items()},
                whole={name: quantile(whole, share) for name, share in _SHOWN.items()},
                reasons=dict(sorted(outcomes.items(), key=lambda pair: -pair[1])),
                busy=max(busy[-1] for busy in collector.busy),
                late=quantile(collector.late, 0.99),
                resident={one.name: one.resident[-1] for one in self._watch.processes()},
            )
        )

    def _offered(self, after: float) -> float:
        for step in self._settings.steps:
            after -= step.seconds
            if after < 0:
                return step.rate
        return 0.0
