"""The client's count: no nonce twice, whatever happens."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.arc import LimitOutOfRange, LimitReached, PresentationState
from tacita.errors import DecodeError, TacitaError

EPOCH = b"epoch 1"


def test_each_nonce_is_given_out_once() -> None:
    state = PresentationState()
    assert [state.take(EPOCH, 3) for _ in range(3)] == [0, 1, 2]
    assert state.remaining(EPOCH, 3) == 0
    for _ in range(2):
        with pytest.raises(LimitReached):
            state.take(EPOCH, 3)


def test_contexts_are_counted_apart_and_limits_together() -> None:
    state = PresentationState()
    assert state.take(EPOCH, 2) == 0
    assert state.take(b"epoch 2", 2) == 0
    assert state.take(EPOCH, 10) == 1
    assert state.remaining(EPOCH, 10) == 8
    with pytest.raises(LimitReached):
        state.take(EPOCH, 2)
    assert state.remaining(EPOCH, 2) == 0


@pytest.mark.parametrize("limit", [-1, 0, 1, 2**32])
def test_a_limit_without_a_proof_costs_nothing(limit: int) -> None:
    state = PresentationState()
    with pytest.raises(LimitOutOfRange):
        state.take(EPOCH, limit)
    assert state.encode() == b""


def test_threads_never_get_the_same() -> None:
    state = PresentationState()
    with ThreadPoolExecutor(8) as pool:
        nonces = list(pool.map(lambda _: state.take(EPOCH, 2000), range(2000)))
    assert sorted(nonces) == list(range(2000))


def test_it_goes_on_where_it_was_stored() -> None:
    state = PresentationState()
    state.take(EPOCH, 9)
    state.take(b"epoch 2", 9)
    state.take(EPOCH, 9)
    again = PresentationState.decode(state.encode())
    assert again.take(EPOCH, 9) == 2
    assert again.take(b"epoch 2", 9) == 1
    assert again.take(b"epoch 3", 9) == 0


def test_a_damaged_one_is_refused() -> None:
    one, other = (bytes((number,)) * 32 + b"\0\0\0\1" for number in (1, 2))
    PresentationState.decode(one + other)
    for wrong in (other + one, one + one, one[:-1], one + b"\0", bytes((1,)) * 32 + bytes(4)):
        with pytest.raises(DecodeError):
            PresentationState.decode(wrong)


@given(st.dictionaries(st.binary(max_size=8), st.integers(1, 5), max_size=5))
def test_what_is_stored_is_read(counts: dict[bytes, int]) -> None:
    state = PresentationState()
    for context, count in counts.items():
        for _ in range(count):
            state.take(context, 5)
    again = PresentationState.decode(state.encode())
    assert again.encode() == state.encode()
    assert all(again.remaining(context, 5) == 5 - count for context, count in counts.items())


@given(st.binary(max_size=120))
def test_anything_is_read_or_refused(data: bytes) -> None:
    try:
        state = PresentationState.decode(data)
    except TacitaError:
        return
    assert state.encode() == data
