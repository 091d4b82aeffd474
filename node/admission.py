"""Who may use the model now, who waits, and who is told to come back later.

A fixed number of places, a line of bounded length before them, and a bound on how
long one stands in it: nothing grows with demand (R22).
"""

import asyncio

from node.errors import Busy

__all__ = ["Admission"]


class Admission:
    """`places` at the model and a first-come line of at most `waiting`, each for at most `seconds`."""

    def __init__(self, places: int, *, waiting: int, seconds: float) -> None:
        self.places = places
        self._free = asyncio.Semaphore(places)
        self._bound = waiting
        self._seconds = seconds
        self._waiting = 0
        self._running = 0

    @property
    def waiting(self) -> int:
        """How many stand in the line."""
        return self._waiting

    @property
    def running(self) -> int:
        """How many have a place."""
        return self._running

    async def enter(self) -> None:
        """Take a place; whoever returns from here calls `leave` once.

        Raises:
            Busy: the line is full, or did not move in time.
        """
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()
        self._running += 1

    def leave(self) -> None:
        """Give the place to the next in the line."""
        self._running -= 1
        self._free.release()

    async def _wait(self) -> None:
        if self._waiting >= self._bound:
            raise Busy("The model is busy and too many requests wait for it already; try again later.")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Busy("The model stayed busy for too long; try again later.") from None
        finally:
            self._waiting -= 1
