"""Times by which something has to be done, for many tasks with one timer.

    with deadlines.until(loop.time() + 30):
        await something()  # `TimeoutError` after 30 seconds

It does what `asyncio.timeout_at` does for a quarter of the price: that one sets a timer for each use,
and nearly none of them ever goes off.
"""

import asyncio
from types import TracebackType
from typing import Self

__all__ = ["Deadline", "Deadlines"]


class Deadline:
    """One time by which the block that it encloses has to be done. Entered once, inside a task."""

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_task", "when")

    def __init__(self, deadlines: "Deadlines", when: float) -> None:
        self.when = when
        self._deadlines = deadlines
        self._expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for what runs in a task")
        self._task = task
        # Who else has asked the task to end is to be told from us at the end.
        self._cancelling = task.cancelling()
        self._deadlines.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._deadlines.drop(self)
        if (
            self._expired
            and self._task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from error

    def expire(self) -> None:
        """Have the block raise `TimeoutError` where it waits."""
        self._expired = True
        self._task.cancel()


class Deadlines:
    """The deadlines of one event loop."""

    def __init__(self) -> None:
        self._under_way: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def until(self, when: float) -> Deadline:
        """Return a context manager whose block ends before the loop's time is `when`.

        Raises, on leaving:
            TimeoutError: it did not.
        """
        return Deadline(self, when)

    def add(self, deadline: Deadline) -> None:
        """Watch a block that is entered."""
        self._under_way.add(deadline)
        timer = self._timer
        if timer is None or deadline.when < timer.when():
            self._set(deadline.when)

    def drop(self, deadline: Deadline) -> None:
        """Forget a block that is left. The timer stays: it finds out whether it still matters."""
        self._under_way.discard(deadline)

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._look, when)

    def _look(self, now: float) -> None:
        self._timer = None
        due = [one for one in self._under_way if one.when <= now]
        for one in due:
            self._under_way.discard(one)
            one.expire()
        if self._under_way:
            self._set(min(one.when for one in self._under_way))
