"""The bases of the range proof: exactly the nonces below the limit are sums of them."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.arc.errors import LimitOutOfRange
from tacita.crypto.arc.range_proof import MAX_LIMIT, bases


def test_known_limits() -> None:
    assert [bases(limit) for limit in (2, 3, 4, 5, 6, 8, 9, 100)] == [
        [1],
        [1, 1],
        [2, 1],
        [2, 1, 1],
        [2, 2, 1],
        [4, 2, 1],
        [4, 2, 1, 1],
        [36, 32, 16, 8, 4, 2, 1],
    ]


@pytest.mark.parametrize("limit", range(2, 70))
def test_their_sums_are_the_nonces_below_the_limit(limit: int) -> None:
    weights = bases(limit)
    sums = {
        sum(digit * weight for digit, weight in zip(digits, weights, strict=True))
        for digits in product((0, 1), repeat=len(weights))
    }
    assert sums == set(range(limit))


@given(st.integers(2, MAX_LIMIT))
def test_their_form(limit: int) -> None:
    weights = bases(limit)
    assert sum(weights) == limit - 1
    assert weights[-1] == 1
    assert weights == sorted(weights, reverse=True)
    assert len(weights) == (limit - 1).bit_length()


@given(st.integers(max_value=1) | st.integers(min_value=MAX_LIMIT + 1))
def test_other_limits_are_refused(limit: int) -> None:
    with pytest.raises(LimitOutOfRange):
        bases(limit)
