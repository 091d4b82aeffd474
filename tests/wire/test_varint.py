import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.wire import varint

integers = st.integers(0, varint.MAX) | st.sampled_from(
    [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, varint.MAX]
)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
    ],
)
def test_examples_of_rfc_9000_appendix_a_1(data: str, value: int) -> None:
    encoded = bytes.fromhex(data)
    assert varint.decode(encoded) == (value, len(encoded))
    assert varint.encode(value) == encoded


def test_a_longer_form_is_the_same_integer_for_one_reader_only() -> None:
    """The two-byte form of 37 is the last example of RFC 9000, Appendix A.1."""
    assert varint.decode(b"\x40\x25") == (37, 2)
    with pytest.raises(varint.NotMinimal):
        varint.decode_minimal(b"\x40\x25")


@given(integers, st.binary(max_size=4), st.binary(max_size=4))
def test_decode_reverses_encode(value: int, before: bytes, after: bytes) -> None:
    encoded = varint.encode(value)
    assert len(encoded) == varint.size(value)
    data = before + encoded + after
    assert varint.decode(data, len(before)) == (value, len(before) + len(encoded))
    assert varint.decode_minimal(data, len(before)) == (value, len(before) + len(encoded))


@given(integers)
def test_a_cut_integer_is_truncated(value: int) -> None:
    encoded = varint.encode(value)
    for length in range(len(encoded)):
        with pytest.raises(varint.Truncated):
            varint.decode(encoded[:length])
        with pytest.raises(varint.Truncated):
            varint.decode_minimal(encoded[:length])


@given(st.binary(max_size=10))
def test_minimal_form_is_canonical(data: bytes) -> None:
    try:
        value, end = varint.decode_minimal(data)
    except (varint.NotMinimal, varint.Truncated):
        return
    assert varint.encode(value) == data[:end]


@given(st.integers(max_value=-1) | st.integers(min_value=varint.MAX + 1))
def test_out_of_range(value: int) -> None:
    with pytest.raises(ValueError, match="2\\^62"):
        varint.encode(value)
