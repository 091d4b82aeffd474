"""Counts against HdrHistogram itself, and what merging keeps."""

import math

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis import histogram
from loadtest.analysis.histogram import Counts, add, merged, quantile, quantised, summary

_VALUES = st.lists(st.integers(1, histogram.HIGHEST), min_size=1, max_size=200)


def counted(values: list[int]) -> Counts:
    counts: Counts = {}
    for value in values:
        key = quantised(value)
        counts[key] = counts.get(key, 0) + 1
    return counts


@given(_VALUES, st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]))
def test_quantiles_are_those_of_hdr_histogram(values: list[int], share: float) -> None:
    theirs = HdrHistogram(1, histogram.HIGHEST, 3)
    for value in values:
        theirs.record_value(value)
    # The rank is rounded up, as in the original; this port of it rounds to the nearest.
    of_that_rank = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    ours = round(quantile(counted(values), share) * 1e6)
    assert ours == theirs.get_highest_equivalent_value(of_that_rank)
    assert ours >= theirs.get_value_at_percentile(share * 100)


@given(st.integers(-5, 2 * histogram.HIGHEST))
def test_three_digits_are_kept(value: int) -> None:
    kept = quantised(value)
    inside = min(max(value, 1), histogram.HIGHEST)
    assert kept <= inside <= kept * 1.001 + 1
    assert quantised(kept) == kept


@given(_VALUES, _VALUES)
def test_two_processes_are_as_one(left: list[int], right: list[int]) -> None:
    assert merged([counted(left), counted(right)]) == counted(left + right)
    assert histogram.histogram(merged([counted(left), counted(right)])).get_total_count() == len(left + right)


@given(_VALUES)
def test_the_encoded_form_is_one_that_others_read(values: list[int]) -> None:
    encoded = histogram.histogram(counted(values)).encode()
    decoded = HdrHistogram.decode(encoded)
    assert decoded.get_total_count() == len(values)
    assert decoded.get_value_at_percentile(50) == round(quantile(counted(values), 0.5) * 1e6)


def test_nothing_is_nothing() -> None:
    assert quantile({}, 0.5) == 0.0
    assert summary({})["count"] == summary({})["p99"] == 0
    counts: Counts = {}
    add(counts, {})
    assert counts == {}
