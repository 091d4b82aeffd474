"""Where the curve bends: the highest rate of a ramp that the target still carried.

A step is carried if at least 95 % of what was due was answered well within it, and if its p99 has
not gone beyond ten times the p99 of the lowest steps, where nothing waits for anything. Queues
make the bend sharp: beyond it both break at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Carried", "StepFigures", "knee"]

_ANSWERED = 0.95
_SLOWER = 10.0
_CALM_STEPS = 3


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step: what was due and what was answered well, each a second, and its p99 in seconds."""

    offered: float
    answered: float
    p99: float
    limited: bool = False
    """Whether the generator could not keep up in it: then the step says nothing of the target."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The knee: the last rate that was carried, and what the next one failed by, empty if none failed."""

    rate: float
    why: str


def knee(steps: Sequence[StepFigures]) -> Carried:
    """Return the knee of `steps`, which go up; the rate is 0 where not even the first was carried."""
    carried = 0.0
    for number, step in enumerate(steps):
        calm = median(one.p99 for one in steps[: min(_CALM_STEPS, number + 1)])
        if step.limited:
            return Carried(carried, f"at {step.offered:,.0f}/s the generator itself could not keep up")
        if step.answered < _ANSWERED * step.offered:
            return Carried(
                carried, f"at {step.offered:,.0f}/s only {step.answered:,.0f}/s were answered well"
            )
        if step.p99 > _SLOWER * calm:
            return Carried(
                carried, f"at {step.offered:,.0f}/s p99 was {step.p99 / calm:.0f} times the calm one"
            )
        carried = step.offered
    return Carried(carried, "")
