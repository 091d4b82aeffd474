"""The client's count: no nonce twice, whatever happens."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tape import Tape

from tacita.crypto.arc import LimitOutOfRange, LimitReached, PresentationState
from tacita.errors import DecodeError, TacitaError

EPOCH = b"epoch 1"


def test_each_nonce_is_given_out_once() -> None:
    state = PresentationState()
    assert sorted(state.take(EPOCH, 3) for _ in range(3)) == [0, 1, 2]
    assert state.remaining(EPOCH, 3) == 0
    for _ in range(2):
        with pytest.raises(LimitReached):
            state.take(EPOCH, 3)


def test_the_order_is_that_of_the_numbers_drawn() -> None:
    """Each is a place among the unused, so that no row of nonces says that one client shows them."""
    drawn = [1, 3, 0, 1, 0]
    tape = Tape(*(number.to_bytes(32, "big") for number in drawn))
    state = PresentationState()
    assert [state.take(EPOCH, 5, rng=tape) for _ in drawn] == [1, 4, 0, 3, 2]
    tape.finish()


def test_no_nonce_is_likelier_than_another_to_come_first() -> None:
    # 1,000 draws among 4: that one of them never comes does not happen.
    assert {PresentationState().take(EPOCH, 4) for _ in range(1000)} == set(range(4))


def test_contexts_are_counted_apart_and_limits_together() -> None:
    state = PresentationState()
    assert sorted(state.take(EPOCH, 2) for _ in range(2)) == [0, 1]
    assert state.take(b"epoch 2", 2) in (0, 1)
    assert state.take(EPOCH, 10) in range(2, 10)
    assert state.remaining(EPOCH, 10) == 7
    with pytest.raises(LimitReached):
        state.take(EPOCH, 2)
    assert state.remaining(EPOCH, 2) == 0
    assert state.remaining(b"epoch 2", 2) == 1


@given(st.lists(st.integers(2, 8), max_size=12))
def test_limits_that_change_never_bring_a_nonce_twice(limits: list[int]) -> None:
    state, given_out = PresentationState(), []
    for limit in limits:
        left = state.remaining(EPOCH, limit)
        assert left == limit - sum(nonce < limit for nonce in given_out)
        if left:
            given_out.append(state.take(EPOCH, limit))
            assert given_out[-1] < limit
    assert len(set(given_out)) == len(given_out)


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
    before = {state.take(EPOCH, 9) for _ in range(4)}
    state.take(b"epoch 2", 9)
    again = PresentationState.decode(state.encode())
    assert before | {again.take(EPOCH, 9) for _ in range(5)} == set(range(9))
    assert again.remaining(b"epoch 2", 9) == 8
    assert again.remaining(b"epoch 3", 9) == 9


def test_a_damaged_one_is_refused() -> None:
    name = bytes((1,)) * 32
    one, other = (bytes((number,)) * 32 + b"\0\0\0\1\0\0\0\7" for number in (1, 2))
    PresentationState.decode(one + other)
    twice, descending = ([7, 7], [7, 6])
    for wrong in (
        other + one,
        one + one,
        one[:-1],
        one + b"\0",
        name + bytes(4),
        name + b"\xff" * 4,
        name + b"\0\0\0\1" + b"\xff" * 4,
        *(name + b"".join(each.to_bytes(4, "big") for each in (2, *pair)) for pair in (twice, descending)),
    ):
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
