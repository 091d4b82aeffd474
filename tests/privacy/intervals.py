"""What a measured share or difference may be worth: 95 percent intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = ["Difference", "Estimate", "compare", "holm", "share"]

_Z = 1.959964
_BLOCK = 20
_RESAMPLES = 2_000


class Estimate(NamedTuple):
    """A value and the 95 percent interval around it."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """How two samples of times differ."""

    larger: Estimate
    """How often a value of the first is larger than one of the second; one half: they do not differ."""
    shift: Estimate
    """The first sample's median minus the second's, in the unit of both."""
    rank_p: float
    """Of the rank test of Mann and Whitney."""
    shape_p: float
    """Of the test of Kolmogorov and Smirnov."""


def share(hits: Sequence[bool], *, seed: int = 0) -> Estimate:
    """Return the share of `hits`, which stand in the order in which they happened.

    Neighbours depend on each other (one wrong match makes another), so Wilson's interval is taken for as
    many independent ones as would vary as much: a bootstrap over blocks of 20 neighbours says how many.
    """
    count = len(hits)
    value = sum(hits) / count
    blocks = [hits[start : start + _BLOCK] for start in range(0, count, _BLOCK)]
    sums = np.array([sum(block) for block in blocks])
    sizes = np.array([len(block) for block in blocks])
    drawn = np.random.default_rng(seed).integers(0, len(blocks), (_RESAMPLES, len(blocks)))
    spread = float(np.var(sums[drawn].sum(1) / sizes[drawn].sum(1)))
    simple = value * (1 - value) / count
    effective = count / max(1.0, spread / simple) if simple else float(count)
    centre = (value + _Z**2 / (2 * effective)) / (1 + _Z**2 / effective)
    half = (
        _Z * math.sqrt(value * (1 - value) / effective + _Z**2 / (4 * effective**2)) / (1 + _Z**2 / effective)
    )
    return Estimate(value, max(0.0, centre - half), min(1.0, centre + half))


def compare(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Difference:
    """Compare two independent samples."""
    one, other = np.sort(np.asarray(first)), np.sort(np.asarray(second))
    ranked = stats.mannwhitneyu(one, other)
    shaped = stats.ks_2samp(one, other, method="asymp")
    return Difference(
        _larger(one, other), _shift(one, other, seed), float(ranked.pvalue), float(shaped.pvalue)
    )


def _larger(one: np.ndarray, other: np.ndarray) -> Estimate:
    """DeLong, DeLong and Clarke-Pearson, 1988: the interval of an area under a curve, by its placements."""
    of_one = (np.searchsorted(other, one, "left") + np.searchsorted(other, one, "right")) / (2 * len(other))
    of_other = 1 - (np.searchsorted(one, other, "left") + np.searchsorted(one, other, "right")) / (
        2 * len(one)
    )
    value = float(of_one.mean())
    half = _Z * math.sqrt(of_one.var(ddof=1) / len(one) + of_other.var(ddof=1) / len(other))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def _shift(one: np.ndarray, other: np.ndarray, seed: int) -> Estimate:
    random = np.random.default_rng(seed)
    drawn = [
        float(np.median(random.choice(one, len(one))) - np.median(random.choice(other, len(other))))
        for _ in range(_RESAMPLES // 4)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(float(np.median(one) - np.median(other)), float(low), float(high))


def holm(values: Sequence[float]) -> list[float]:
    """Return `values`, the p-values of one family of tests, corrected for how many there are (Holm, 1979)."""
    corrected = [0.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, values[place] * (len(values) - rank)))
        corrected[place] = largest
    return corrected
