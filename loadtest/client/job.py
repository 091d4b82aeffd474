"""One request on its way: when it was due, when it left, and what its answer makes of it."""

from typing import Protocol

from loadtest.client.outcomes import Outcome

__all__ = ["Answer", "Job"]


class Answer(Protocol):
    """Takes the pieces of one HTTP answer, and says at its end what it was."""

    def piece(self, data: bytes, now: int) -> None:
        """Take a piece of the body that came at `now` (ns). Never raises."""

    def end(self, status: int) -> Outcome:
        """Say what the whole answer was. Never raises."""


class Job:
    """A request, ready to be sent. Times are in nanoseconds of the monotonic clock."""

    __slots__ = ("answer", "due", "lane", "sent", "step", "wire")

    def __init__(self, lane: int, step: int, due: int, wire: bytes, answer: Answer) -> None:
        self.lane = lane
        self.step = step
        self.due = due
        self.wire = wire
        self.answer = answer
        self.sent = 0
