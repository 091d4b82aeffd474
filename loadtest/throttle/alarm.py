"""An alarm clock for the event loop that is right to some microseconds.

Timers of event loops are in whole milliseconds, which is as long as a gateway takes: an open
loop on them would add half a millisecond to everything that it measures. A timer of the
kernel (timerfd_create(2)) is precise and costs nothing while it waits.
"""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable

__all__ = ["Alarm", "alarm"]

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_NONBLOCK_CLOEXEC = 0o2004000


class _Spec(ctypes.Structure):
    """struct itimerspec: interval and first expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """Calls `ring` once for each `set`, by the loop's own timers. `time.monotonic_ns` is the clock."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due: int) -> None:
        """Ring when the clock shows `due` nanoseconds, or at once if it is past."""
        delay = max(0, due - time.monotonic_ns()) / 1e9
        self._handle = self._loop.call_later(delay, self._ring)

    def close(self) -> None:
        """Never ring again."""
        if self._handle is not None:
            self._handle.cancel()


class _KernelAlarm(Alarm):
    """The same by a timer of the kernel."""

    def __init__(self, ring: Callable[[], None], library: ctypes.CDLL) -> None:
        super().__init__(ring)
        self._library = library
        self._descriptor = library.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._descriptor < 0:
            raise OSError("there is no timer of the kernel")
        self._loop.add_reader(self._descriptor, self._rung)

    def set(self, due: int) -> None:
        # A value of zero would disarm the timer.
        seconds, nanoseconds = divmod(max(1, due), 1_000_000_000)
        spec = _Spec(0, 0, seconds, nanoseconds)
        self._library.timerfd_settime(self._descriptor, _ABSOLUTE, ctypes.byref(spec), None)

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _rung(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        self._ring()


def alarm(ring: Callable[[], None]) -> Alarm:
    """Return the most precise alarm that this machine has; it belongs to the running loop."""
    if sys.platform == "linux":
        try:
            return _KernelAlarm(ring, ctypes.CDLL(None, use_errno=True))
        except (OSError, AttributeError):
            pass
    return Alarm(ring)
