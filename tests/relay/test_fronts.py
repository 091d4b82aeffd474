"""What fronts say of where a request came from, and what a client cannot make them say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.fronts import UNKNOWN, source_of

XFF, FORWARDED = b"x-forwarded-for", b"forwarded"


def told(name: bytes, *lines: bytes, hops: int = 1) -> str:
    return source_of(((b"host", b"a"), *((name, line) for line in lines)), name, hops)


@pytest.mark.parametrize(
    ("lines", "hops", "address"),
    [
        ([b"192.0.2.1"], 1, "192.0.2.1"),
        ([b"203.0.113.9, 192.0.2.1"], 1, "192.0.2.1"),
        ([b"203.0.113.9, 192.0.2.1,10.0.0.1"], 2, "192.0.2.1"),
        ([b"203.0.113.9", b"192.0.2.1"], 1, "192.0.2.1"),
        ([b"192.0.2.1", b" 10.0.0.1 "], 2, "192.0.2.1"),
        ([b"2001:db8::1"], 1, "2001:db8::1"),
        ([b"[2001:db8::1]:443"], 1, "2001:db8::1"),
        ([b"192.0.2.1:5000"], 1, "192.0.2.1"),
        ([b"192.0.2.1"], 2, UNKNOWN),
        ([], 1, UNKNOWN),
        ([b"192.0.2.1, " + b"1" * 5000], 1, UNKNOWN),
    ],
)
def test_x_forwarded_for(lines: list[bytes], hops: int, address: str) -> None:
    assert told(XFF, *lines, hops=hops) == address


@pytest.mark.parametrize(
    ("lines", "hops", "address"),
    [
        ([b"for=192.0.2.1"], 1, "192.0.2.1"),
        ([b'For="[2001:db8::1]:4711";proto=https'], 1, "2001:db8::1"),
        ([b"proto=https; for=192.0.2.1 ;by=10.0.0.1"], 1, "192.0.2.1"),
        ([b"for=203.0.113.9", b"for=192.0.2.1, for=10.0.0.1"], 2, "192.0.2.1"),
        ([b'for="203.0.113.9, for=198.51.100.1", for=192.0.2.1'], 1, "192.0.2.1"),
        ([b'host="a;for=203.0.113.9";for="192\\.0.2.1"'], 1, "192.0.2.1"),
        ([b"for=192.0.2.1, proto=https"], 1, UNKNOWN),
        ([b"for=_hidden"], 1, "_hidden"),
        ([b"for=192.0.2.1"], 2, UNKNOWN),
        # A client's quote that swallows what the front has said.
        ([b'for="203.0.113.9', b"for=192.0.2.1"], 1, UNKNOWN),
        ([b'for=203.0.113.9, for="x', b"for=192.0.2.1"], 2, UNKNOWN),
    ],
)
def test_forwarded(lines: list[bytes], hops: int, address: str) -> None:
    assert told(FORWARDED, *lines, hops=hops) == address


def test_the_other_field_is_not_looked_at() -> None:
    fields = ((FORWARDED, b"for=203.0.113.9"), (XFF, b"192.0.2.1"))
    assert source_of(fields, XFF, 1) == "192.0.2.1"
    assert source_of(fields, FORWARDED, 1) == "203.0.113.9"


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_a_client_cannot_choose_its_address(made_up: list[bytes]) -> None:
    assert told(XFF, *made_up, b"192.0.2.1") == "192.0.2.1"
    assert told(FORWARDED, *made_up, b"for=192.0.2.1") in {"192.0.2.1", UNKNOWN}


@given(st.lists(st.text('for=",;\\. 1a[]:', max_size=60), max_size=3))
def test_a_client_that_knows_the_grammar_cannot_either(made_up: list[str]) -> None:
    lines = [line.encode() for line in made_up]
    for front in (b"for=192.0.2.1", b'for="192.0.2.1";host="a"'):
        assert told(FORWARDED, *lines, front) in {"192.0.2.1", UNKNOWN}
