"""A run as lines, for logs and pipes: one a second."""

import sys
from typing import TextIO

from loadtest.view import figures
from loadtest.view.base import Snapshot

__all__ = ["Lines"]


class Lines:
    """Writes to standard error, so that a report on standard output stays one."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stderr
        self._said = 0

    def note(self, sentence: str) -> None:
        """Write it."""
        self._write(sentence)

    def preparing(self, kind: str, made: int, wanted: int) -> None:
        """Write each quarter of the way."""
        quarter = 4 * made // max(1, wanted)
        if quarter != self._said or made == wanted:
            self._said = quarter
            self._write(f"prepared {made:,} of {wanted:,} ({kind})")

    def running(self, snapshot: Snapshot) -> None:
        """Write one line."""
        reasons = ", ".join(f"{name} {times:,}" for name, times in snapshot.reasons.items()) or "none"
        latency = " ".join(f"{name} {figures.time(value)}" for name, value in snapshot.recent.items())
        self._write(
            f"{snapshot.elapsed:6.1f} s  {figures.rate(snapshot.rate):>9}  {latency}  "
            f"answered {snapshot.answered:,}  errors: {reasons}"
        )

    def close(self) -> None:
        """Nothing to do."""

    def _write(self, line: str) -> None:
        self._output.write(line + "\n")
        self._output.flush()
