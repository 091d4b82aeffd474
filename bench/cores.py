"""Which cores there are, and how the load is kept off the one on which something is measured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["beside", "cores"]


@cache
def cores() -> list[int]:
    """Return the cores that this process was given, whatever part of them a thread is held to later."""
    return sorted(os.sched_getaffinity(0))


@contextmanager
def beside(core: int) -> Iterator[None]:
    """Have the event loop's thread, which generates the load, run on any core but `core`, if there is one."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - {core} or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
