"""What a run tells whoever watches it."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Snapshot", "View"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The run so far. `latency` has p50 to p99.9 in seconds: of the last seconds, and of all."""

    elapsed: float
    duration: float
    started: int
    answered: int
    failed: int
    rate: float
    offered: float
    in_flight: int
    recent: dict[str, float]
    whole: dict[str, float]
    reasons: dict[str, int]
    busy: float
    late: float
    resident: dict[str, float]


class View(Protocol):
    """Shows a run. Called from the event loop: nothing here waits."""

    def note(self, sentence: str) -> None:
        """Say something once."""

    def preparing(self, kind: str, made: int, wanted: int) -> None:
        """Show how far the preparation is."""

    def running(self, snapshot: Snapshot) -> None:
        """Show the run as it is now."""

    def close(self) -> None:
        """Leave the terminal as it was."""
