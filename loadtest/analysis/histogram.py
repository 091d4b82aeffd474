"""Times as counts: HDR histograms with three significant digits, from 1 µs to 2 hours.

A load process counts into a plain dictionary, which costs it 0.3 µs a value where
`HdrHistogram.record_value` costs 2.9; the keys are the values that an HDR histogram of three
digits keeps apart, so that nothing is lost when the parent puts them into one.
"""

from collections.abc import Iterable, Mapping

from hdrh.histogram import HdrHistogram

__all__ = ["HIGHEST", "Counts", "add", "histogram", "merged", "quantile", "quantised", "summary"]

Counts = dict[int, int]
"""How often each value, in microseconds, was seen."""

HIGHEST = 7_200_000_000
"""Microseconds. What takes longer counts as this."""

_DIGITS = 3
_SUB_BUCKET_BITS = 11
"""2,048 values of one width between two powers of two: what three digits take (2 * 10^3, rounded up)."""

QUANTILES = (0.5, 0.9, 0.99, 0.999)


def quantised(microseconds: int) -> int:
    """Return the smallest value that an HDR histogram of three digits does not tell from this one."""
    if microseconds < 1:
        return 1
    microseconds = min(microseconds, HIGHEST)
    shift = microseconds.bit_length() - _SUB_BUCKET_BITS
    return microseconds >> shift << shift if shift > 0 else microseconds


def add(counts: Counts, more: Mapping[int, int]) -> None:
    """Add `more` to `counts`."""
    for value, times in more.items():
        counts[value] = counts.get(value, 0) + times


def merged(many: Iterable[Mapping[int, int]]) -> Counts:
    """Return the sum of `many`."""
    whole: Counts = {}
    for one in many:
        add(whole, one)
    return whole


def histogram(counts: Mapping[int, int]) -> HdrHistogram:
    """Return `counts` as an HDR histogram, whose `encode` is what every other HDR tool reads."""
    made = HdrHistogram(1, HIGHEST, _DIGITS)
    for value, times in counts.items():
        made.record_value(value, times)
    return made


def quantile(counts: Mapping[int, int], share: float) -> float:
    """Return the value, in seconds, that `share` of the values do not exceed; 0 where there are none.

    The definition of HdrHistogram: the value of rank ceil(share * n), at the upper end of its bucket.
    """
    total = sum(counts.values())
    if not total:
        return 0.0
    wanted, seen = max(1, -int(-share * total // 1)), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return _upper(value) / 1e6
    raise AssertionError("the counts do not add up")


def summary(counts: Mapping[int, int]) -> dict[str, float]:
    """Return count, mean, quantiles and largest of `counts`; times in seconds."""
    total = sum(counts.values())
    mean = sum(value * times for value, times in counts.items()) / total / 1e6 if total else 0.0
    found: dict[str, float] = {"count": total, "mean": mean}
    found |= {f"p{share * 100:g}": quantile(counts, share) for share in QUANTILES}
    return {**found, "max": quantile(counts, 1.0)}


def _upper(value: int) -> int:
    shift = value.bit_length() - _SUB_BUCKET_BITS
    return value + (1 << shift) - 1 if shift > 0 else value
