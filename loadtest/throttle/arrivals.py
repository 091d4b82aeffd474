"""When requests are due in an open loop: at even distances, or as people come, by chance.

Requests are due whether or not earlier ones were answered: that, and counting each from the
moment at which it was due, is what corrects coordinated omission (Tene, "How NOT to Measure
Latency"). A target that stalls for a second delays everything that was due in that second.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

__all__ = ["Arrivals", "Due", "Step", "schedule"]

Arrivals = Literal["constant", "poisson"]


@dataclass(frozen=True, slots=True)
class Step:
    """So many requests a second for so many seconds."""

    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Due:
    """One request: nanoseconds after the start, and the number of the step that it belongs to."""

    after: int
    step: int


def schedule(
    steps: Sequence[Step], arrivals: Arrivals, *, seed: int, share: float = 1.0, offset: float = 0.0
) -> Iterator[Due]:
    """Return what is due, in order, to the end of the last step.

    `share` is the part of each rate that this process sends; `offset`, from 0 to 1, shifts constant
    arrivals by this part of a distance, so that several processes take turns. `seed` makes chance
    repeatable.
    """
    chance = Random(seed)  # noqa: S311 (moments of arrival, no secrets)
    begin = 0.0
    for number, step in enumerate(steps):
        rate, end = step.rate * share, begin + step.seconds
        if arrivals == "constant":
            for index in range(int(step.seconds * rate + 1 - offset - 1e-9)):
                yield Due(round((begin + (index + offset) / rate) * 1e9), number)
        else:
            moment = begin + chance.expovariate(rate)
            while moment < end:
                yield Due(round(moment * 1e9), number)
                moment += chance.expovariate(rate)
        begin = end
