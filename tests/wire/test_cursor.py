import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.errors import DecodeError
from tacita.wire import varint
from tacita.wire.cursor import Cursor, TrailingBytes, opaque8, opaque16
from tacita.wire.varint import NotMinimal, Truncated


def test_reads_front_to_back() -> None:
    cursor = Cursor(b"\1\2\3" + b"\2hi" + b"\0\3you" + b"\x40\x25" + b"\x25" + b"end")
    assert cursor.u8() == 1
    assert cursor.u16() == 0x0203
    assert cursor.opaque8() == b"hi"
    assert cursor.opaque16() == b"you"
    assert cursor.varint() == 37
    assert cursor.varint_minimal() == 37
    assert cursor.remaining == 3
    assert cursor.rest() == b"end"
    cursor.finish()


@given(st.binary(max_size=255), st.binary(max_size=1000), st.integers(0, varint.MAX))
def test_reads_what_was_written(short: bytes, long: bytes, number: int) -> None:
    cursor = Cursor(opaque8(short) + opaque16(long) + varint.encode(number))
    assert (cursor.opaque8(), cursor.opaque16(), cursor.varint_minimal()) == (short, long, number)
    cursor.finish()


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"", Cursor.u8),
        (b"\1", Cursor.u16),
        (b"", Cursor.opaque8),
        (b"\2a", Cursor.opaque8),
        (b"\0", Cursor.opaque16),
        (b"\0\2a", Cursor.opaque16),
        (b"\x40", Cursor.varint),
        (b"", Cursor.varint_minimal),
        (b"a", lambda cursor: cursor.take(2)),
    ],
)
def test_the_end_of_the_bytes_is_an_error(data: bytes, read) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Truncated):
        read(Cursor(data))


def test_longer_integers_are_refused_on_demand() -> None:
    with pytest.raises(NotMinimal):
        Cursor(b"\x40\x25").varint_minimal()


@given(st.binary(min_size=1))
def test_nothing_may_be_left(data: bytes) -> None:
    cursor = Cursor(data)
    with pytest.raises(TrailingBytes):
        cursor.finish()
    assert cursor.rest() == data
    assert cursor.rest() == b""
    cursor.finish()


@given(st.binary(max_size=40), st.lists(st.sampled_from(["u8", "u16", "opaque8", "opaque16", "varint"])))
def test_garbage_is_read_or_an_error_of_the_tree(data: bytes, reads: list[str]) -> None:
    cursor = Cursor(data)
    try:
        for read in reads:
            getattr(cursor, read)()
            assert 0 <= cursor.remaining <= len(data)
        cursor.finish()
    except DecodeError:
        pass


def test_a_length_that_does_not_fit_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(OverflowError):
        opaque8(bytes(256))
    with pytest.raises(OverflowError):
        opaque16(bytes(65_536))
