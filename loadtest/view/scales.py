"""Axes of plots: from values to places, and ticks at round values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "linear", "logarithmic", "percentiles"]


@dataclass(frozen=True, slots=True)
class Axis:
    """`place` maps a value to 0 (low end) to 1; `ticks` are values and what is written at them."""

    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]


def linear(low: float, high: float, written: Callable[[float], str], *, ticks: int = 5) -> Axis:
    """Return an axis from `low` to the first round value from `high` on."""
    high = high if high > low else low + 1
    raw = (high - low) / ticks
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    top = low + step * math.ceil((high - low) / step - 1e-9)
    count = round((top - low) / step)
    values = [low + step * index for index in range(count + 1)]
    return Axis(lambda value: (value - low) / (top - low), [(value, written(value)) for value in values])


def logarithmic(low: float, high: float, written: Callable[[float], str]) -> Axis:
    """Return an axis over whole powers of ten, with ticks at 1, 2 and 5 where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(max(high, low * 1.001)))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    bottom = max(factor * 10.0**first for factor in (1, 2, 5) if factor * 10.0**first <= low * 1.0001)
    top = min(factor * 10.0 ** (last - 1) for factor in (2, 5, 10) if factor * 10.0 ** (last - 1) >= high)
    top = max(top, bottom * 2)
    values = [
        factor * 10.0**power
        for power in range(first, last + 1)
        for factor in factors
        if bottom * 0.999 <= factor * 10.0**power <= top * 1.001
    ]
    span = math.log(top / bottom)
    return Axis(
        lambda value: math.log(min(max(value, bottom), top) / bottom) / span,
        [(value, written(value)) for value in values],
    )


def percentiles(most: float) -> Axis:
    """Return an axis on which each further nine takes as much room: 0, 90 %, 99 %, … up to `most` (< 1)."""
    nines = max(2, math.ceil(-math.log10(max(1e-7, 1 - most))))
    ticks = [(0.0, "0"), (0.5, "50 %")]
    ticks += [
        (1 - 10.0**-power, f"{100 - 10.0 ** (2 - power):.{max(0, power - 2)}f} %")
        for power in range(1, nines + 1)
    ]
    return Axis(lambda share: min(1.0, -math.log10(max(1e-9, 1 - share)) / nines), ticks)
