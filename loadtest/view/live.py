"""A run on a terminal: one panel that is drawn anew while it goes on."""

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from loadtest.view import figures
from loadtest.view.base import Snapshot

__all__ = ["LiveView"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_HISTORY = 48


class LiveView:
    """Draws on `console`. What is noted stays above; the panel is gone in the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(36),
            TextColumn("{task.fields[told]}"),
            console=console,
        )
        self._task: TaskID | None = None
        self._what = ""
        self._rates: list[float] = []
        self._live = Live(self._bar, console=console, refresh_per_second=8, transient=True)
        self._live.start()

    def note(self, sentence: str) -> None:
        """Print it above the panel."""
        self._live.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def preparing(self, kind: str, made: int, wanted: int) -> None:
        """Move the bar."""
        self._progress(f"preparing {kind}", made, wanted, f"{made:,} of {wanted:,}")

    def running(self, snapshot: Snapshot) -> None:
        """Draw the figures."""
        told = f"{snapshot.elapsed:.0f} s of {snapshot.duration:.0f}"
        self._progress("load", min(snapshot.elapsed, snapshot.duration), snapshot.duration, told)
        self._rates = [*self._rates, snapshot.rate][-_HISTORY:]
        self._live.update(Group(self._bar, _figures(snapshot, self._rates), _errors(snapshot)), refresh=True)

    def close(self) -> None:
        """Take the panel away."""
        self._live.stop()

    def _progress(self, what: str, done: float, whole: float, told: str) -> None:
        if what != self._what:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task, self._what = self._bar.add_task(what, total=whole, told=told), what
        assert self._task is not None
        self._bar.update(self._task, completed=done, told=told)


def _figures(snapshot: Snapshot, rates: list[float]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    offered = f" of {figures.rate(snapshot.offered)} due" if snapshot.offered else ""
    table.add_row("rate", f"{figures.rate(snapshot.rate)}{offered}  {_spark(rates)}")
    for title, latency in (("now", snapshot.recent), ("all", snapshot.whole)):
        table.add_row(title, "  ".join(f"{name} {figures.time(value)}" for name, value in latency.items()))
    table.add_row(
        "requests",
        f"{snapshot.answered:,} answered, {snapshot.failed:,} not, {snapshot.in_flight:,} under way",
    )
    busy, late = figures.percent(snapshot.busy), figures.time(snapshot.late)
    table.add_row("generator", f"{busy} of a core, begins requests {late} late (p99)")
    if snapshot.resident:
        held = (f"{name} {size:.0f} MB" for name, size in snapshot.resident.items())
        table.add_row("memory", "  ".join(held))
    return table


def _errors(snapshot: Snapshot) -> Text:
    if not snapshot.reasons:
        return Text("no errors", style="dim")
    reasons = "  ".join(f"{name} {times:,}" for name, times in snapshot.reasons.items())
    return Text(f"errors  {reasons}", style="bold red")


def _spark(values: list[float]) -> str:
    top = max(values, default=0.0)
    if not top:
        return ""
    return "".join(_BLOCKS[min(7, int(value / top * 7.999))] for value in values)
