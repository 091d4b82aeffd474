import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.ohttp.padding import FLOOR, pad, padded_length, padme


def published(length: int) -> int:
    """The formula as the paper gives it."""
    exponent = math.floor(math.log2(length))
    kept = math.floor(math.log2(exponent)) + 1
    zeros = exponent - kept
    mask = (1 << zeros) - 1
    return length + mask & ~mask


@given(length=st.integers(2, 1 << 40))
def test_is_the_published_formula(length: int) -> None:
    assert padme(length) == published(length)


@given(length=st.integers(0, 1 << 40))
def test_grows_by_at_most_twelve_percent_and_is_stable(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12
    assert padme(padded) == padded
    assert padme(length + 1) >= padded


def test_few_lengths_remain() -> None:
    assert len({padme(length) for length in range(16_384)}) < 300
    assert [padme(length) for length in (0, 1, 2, 9, 25, 400, 401, 1025)] == [0, 1, 2, 10, 26, 400, 416, 1088]


def test_negative_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        padme(-1)


@given(message=st.binary(max_size=2000))
def test_pad_adds_zeros(message: bytes) -> None:
    padded = pad(message)
    assert len(padded) == padded_length(len(message)) == max(padme(len(message)), FLOOR)
    assert padded[: len(message)] == message
    assert not any(padded[len(message) :])
