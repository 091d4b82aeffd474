"""How much one gateway may have of the relay, so that a busy one leaves the others something.

Nothing here is about who asks. What is over the budget is refused at once and not queued: a queue before
a gateway that has too much to do only makes everybody late.
"""

from collections.abc import Callable

from relay.config import BudgetConfig

__all__ = ["Budget"]


class Budget:
    """Says whether there is room for one more exchange. `clock` gives seconds that never go back.

    Requests and bytes are a bucket each that holds a second's worth (of requests at least one). Bytes
    are counted when an exchange ends, since nobody knows before how many there will be: a long
    answer leaves a debt, which has to be gone before the next exchange begins.
    """

    def __init__(self, config: BudgetConfig, connections: int, clock: Callable[[], float]) -> None:
        """`connections` is how many there may be to the gateway."""
        self._concurrent = config.concurrent or 2 * connections
        self._requests = _Bucket(config.requests_per_second, clock)
        self._bytes = _Bucket(config.bytes_per_second, clock)

    def admits(self, under_way: int) -> bool:
        """Say whether another exchange may begin beside `under_way` others, and count it if so."""
        if self.is_over(under_way + 1) or self._bytes.left() <= 0.0 or self._requests.left() < 1.0:
            return False
        self._requests.take(1)
        return True

    def is_over(self, under_way: int) -> bool:
        """Say whether `under_way` exchanges at a time are too many."""
        return under_way > self._concurrent

    def spend(self, count: int) -> None:
        """Count the bytes of both bodies of an exchange that has ended."""
        self._bytes.take(count)


class _Bucket:
    """Holds a second's worth; nothing is counted where there is no `per_second`."""

    __slots__ = ("_clock", "_left", "_moment", "_most", "_per_second")

    def __init__(self, per_second: float | None, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._most = self._left = max(1.0, per_second or 0.0)
        self._clock = clock
        self._moment = clock()

    def left(self) -> float:
        """Return what is left; negative: a debt."""
        if self._per_second is not None:
            now = self._clock()
            self._left = min(self._most, self._left + (now - self._moment) * self._per_second)
            self._moment = now
        return self._left

    def take(self, count: float) -> None:
        """Take `count` out, whether it is there or not."""
        if self._per_second is not None:
            self._left -= count
