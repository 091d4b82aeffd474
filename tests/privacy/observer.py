"""Somebody who sees both sides of the relay and no content, and says which message was whose.

What is seen of an exchange, on each side: when the request passed, how long it was, when the answer passed,
how long that was. The observer knows the policy, has measured with messages of its own how long the relay
takes (`Delays`), and picks of all ways to match the two sides the one that is most likely as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["Delays", "Observer", "Policy", "Seen", "by_size"]

_IMPOSSIBLE = 1e6
_CLOCK = 5e-4
"""Seconds within which two ends agree about a moment."""

_BINS = 40
_OUTSIDE = 1e-4
"""Share of delays that the observer expects where it has never seen any."""


class Seen(NamedTuple):
    """One exchange on one side of the relay: times in seconds of one clock, lengths in bytes."""

    request: float
    request_size: int
    answer: float
    answer_size: int


@dataclass(frozen=True)
class Policy:
    """How the relay covers, as it publishes it."""

    name: str
    kind: str = "none"
    seconds: float = 1.0
    group: int = 8

    def released(self, arrived: np.ndarray) -> np.ndarray:
        """Return when each request goes on, as far as that follows from all arrivals."""
        if self.kind != "batch":
            return arrived
        released = np.empty_like(arrived)
        waiting: list[int] = []
        for place in np.argsort(arrived, kind="stable"):
            if waiting and arrived[place] >= arrived[waiting[0]] + self.seconds:
                released[waiting] = arrived[waiting[0]] + self.seconds
                waiting = []
            waiting.append(int(place))
            if len(waiting) == self.group:
                released[waiting] = arrived[place]
                waiting = []
        if waiting:
            released[waiting] = arrived[waiting[0]] + self.seconds
        return released

    def returned(self, released: np.ndarray, seen: np.ndarray, answered: np.ndarray) -> np.ndarray:
        """Return when each answer goes on: the request `seen` behind the relay at a time, and its answer too.

        `released` are the times at which groups of requests went out.
        """
        if self.kind != "batch":
            return answered
        # Which group a request behind the relay came with: the newest that had gone out.
        groups = np.searchsorted(np.unique(released), seen + _CLOCK, "right")
        returned = np.empty_like(answered)
        for group in np.unique(groups):
            left = [int(place) for place in np.argsort(answered, kind="stable") if groups[place] == group]
            while left:
                until = answered[left[0]] + self.seconds
                gone = [place for place in left if answered[place] < until]
                left = left[len(gone) :]
                # All that are left, or those that came in time.
                returned[gone] = until if left else answered[gone[-1]]
        return returned


class Delays:
    """How likely a delay is: a histogram whose bins have seen equally many."""

    def __init__(self, measured: Sequence[float] | np.ndarray) -> None:
        edges = np.unique(np.quantile(measured, np.linspace(0, 1, _BINS + 1)))
        # A hundredth of the range, or a tenth of a millisecond: no bin is narrower than clocks are good.
        least = max(1e-4, (edges[-1] - edges[0]) / 1000)
        kept = [edges[0] - least]
        for edge in edges[1:]:
            if edge - kept[-1] >= least:
                kept.append(edge)
        kept[-1] = max(kept[-1], edges[-1]) + least
        self._edges = np.array(kept)
        counts, _ = np.histogram(measured, self._edges)
        shares = (counts + 0.5) / (counts.sum() + 0.5 * len(counts)) * (1 - _OUTSIDE)
        self._density = shares / np.diff(self._edges)
        self._scale = max(self._edges[-1] - self._edges[0], 0.01)

    def log_likelihood(self, delays: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density at each of `delays`."""
        place = np.searchsorted(self._edges, delays, "right") - 1
        inside = (place >= 0) & (place < len(self._density))
        beyond = np.maximum(self._edges[0] - delays, delays - self._edges[-1])
        tail = np.log(_OUTSIDE / 2 / self._scale) - np.maximum(beyond, 0) / self._scale
        return np.where(inside, np.log(self._density[np.clip(place, 0, len(self._density) - 1)]), tail)


class Observer:
    """Matches exchanges of a relay under `policy`, having seen some of its own in `known`.

    `known` are pairs of the two sides of one exchange, all that there were in some time. `streamed`: what is
    seen of an answer is its end, which no policy delays.
    """

    def __init__(self, policy: Policy, known: Sequence[tuple[Seen, Seen]], *, streamed: bool = False) -> None:
        self._policy = policy
        self._streamed = streamed
        clients, gateways = [one for one, _ in known], [other for _, other in known]
        out, back = self._residuals(clients, gateways)
        self._out, self._back = Delays(np.diagonal(out)), Delays(np.diagonal(back))

    def match(self, clients: Sequence[Seen], gateways: Sequence[Seen], *, sizes: bool = True) -> list[int]:
        """Return for each of `clients` the place in `gateways` that is most likely its other side."""
        out, back = self._residuals(clients, gateways)
        cost = -self._out.log_likelihood(out) - self._back.log_likelihood(back)
        if sizes:
            cost = cost + _IMPOSSIBLE * _differ(clients, gateways)
        rows, columns = linear_sum_assignment(cost)
        return [int(column) for _, column in sorted(zip(rows, columns, strict=True))]

    def _residuals(self, clients: Sequence[Seen], gateways: Sequence[Seen]) -> tuple[np.ndarray, np.ndarray]:
        """Return how much later than expected each would have passed if each two were one exchange."""
        released = self._policy.released(np.array([one.request for one in clients]))
        out = np.array([one.request for one in gateways])[None, :] - released[:, None]
        answered = np.array([one.answer for one in gateways])
        if not self._streamed:
            seen = np.array([one.request for one in gateways])
            answered = self._policy.returned(released, seen, answered)
        back = np.array([one.answer for one in clients])[:, None] - answered[None, :]
        return out, back


def _differ(clients: Sequence[Seen], gateways: Sequence[Seen]) -> np.ndarray:
    ours = np.array([(one.request_size, one.answer_size) for one in clients])
    theirs = np.array([(one.request_size, one.answer_size) for one in gateways])
    return (ours[:, None, :] != theirs[None, :, :]).any(axis=2)


def by_size(clients: Sequence[Seen]) -> float:
    """Return the share that is matched on average by lot among exchanges of the same two sizes."""
    return len({(one.request_size, one.answer_size) for one in clients}) / len(clients)
