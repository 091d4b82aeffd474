"""What a load process counts between two ticks, by scenario and step."""

from loadtest.analysis.histogram import Counts, quantised
from loadtest.client.job import Job
from loadtest.client.outcomes import ANSWERED, Outcome
from loadtest.workers.messages import Measured

__all__ = ["Recorder"]


class Recorder:
    """Counts started and ended requests. Cheap: some dictionary lookups for each."""

    def __init__(self, scenarios: list[str], units: list[int]) -> None:
        """`units` are the tokens in one request of each scenario, 0 where none are issued."""
        self._scenarios = scenarios
        self._units = units
        self._open: dict[tuple[int, int], Measured] = {}
        self.late: Counts = {}

    def started(self, job: Job, now: int) -> None:
        """Note that `job` was handed over at `now` (ns)."""
        self._of(job.lane, job.step).started += 1
        _count(self.late, now - job.due)

    def ended(self, job: Job, outcome: Outcome, now: int) -> None:
        """Note what became of `job`. Each is told exactly once."""
        measured = self._of(job.lane, job.step)
        measured.outcomes[outcome] = measured.outcomes.get(outcome, 0) + 1
        if outcome == ANSWERED:
            _count(measured.latency, now - job.due)
            _count(measured.service, now - job.sent)
            measured.units += self._units[job.lane]

    def first_event(self, job: Job, now: int) -> None:
        """Note the first event of a stream."""
        measured = self._of(job.lane, job.step)
        _count(measured.first, now - job.due)
        measured.units += 1

    def next_event(self, job: Job, gap: int) -> None:
        """Note a later event, `gap` ns after the one before."""
        measured = self._of(job.lane, job.step)
        _count(measured.gaps, gap)
        measured.units += 1

    def flush(self) -> tuple[tuple[Measured, ...], Counts]:
        """Return what was counted since the last time, and how late requests were handed over."""
        measured, late = tuple(self._open.values()), self.late
        self._open, self.late = {}, {}
        return measured, late

    def _of(self, lane: int, step: int) -> Measured:
        found = self._open.get((lane, step))
        if found is None:
            found = self._open[lane, step] = Measured(self._scenarios[lane], step)
        return found


def _count(counts: Counts, nanoseconds: int) -> None:
    value = quantised(nanoseconds // 1000)
    counts[value] = counts.get(value, 0) + 1
