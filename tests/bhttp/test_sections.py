import pytest
from hypothesis import given
from support.bhttp_strategies import fields

from tacita.bhttp import Fields, FieldsTooLarge, Form, InvalidField
from tacita.bhttp.sections import KnownSection, OpenSection, integer, write
from tacita.wire import varint

LIMIT = 1 << 16


def test_integer_tells_what_is_missing() -> None:
    assert integer(b"\x3f", 0) == (63, 1)
    assert integer(b"", 0) == (-1, 1)
    assert integer(b"\0", 1) == (-1, 2)
    assert integer(b"\0\x40", 1) == (-1, 3)
    assert integer(b"\xc0\0\0\0\0\0\0", 0) == (-1, 8)
    assert integer(b"\xc0\0\0\0\0\0\0\7", 0) == (7, 8)


@given(fields)
def test_known_section(lines: Fields) -> None:
    data = write(lines, "known")
    assert KnownSection(LIMIT).read(data + b"rest", 0) == (lines, len(data))


@given(fields)
def test_open_section(lines: Fields) -> None:
    data = write(lines, "indeterminate")
    assert OpenSection(LIMIT).read(data + b"rest", 0) == (lines, len(data))


def test_open_section_consumes_line_by_line() -> None:
    data = write(((b"a", b"12"), (b"b", b"34")), "indeterminate")
    section = OpenSection(LIMIT)
    assert section.read(data[:4], 0) == (None, 0)
    assert section.missing == 5
    assert not section.begun
    assert section.read(data[:7], 0) == (None, 5)
    assert section.missing == 3
    assert section.begun
    assert section.read(data, 5) == (((b"a", b"12"), (b"b", b"34")), len(data))
    assert not section.begun


def test_known_section_says_how_much_it_waits_for() -> None:
    section = KnownSection(LIMIT)
    assert section.read(b"\x40", 0) == (None, 0)
    assert section.missing == 2
    assert section.read(b"\x40\x05", 0) == (None, 0)
    assert section.missing == 7


@pytest.mark.parametrize(
    "section",
    [
        b"\5",
        b"\5abc",
        b"\1a",
        b"\1a\5",
        b"\1a\5abc",
        b"\1a\x40",
        b"\xc0",
        b"\1a\x001",
        b"\0\0",
        b"\1a\0\0\0",
    ],
)
def test_lines_that_do_not_fill_a_known_section(section: bytes) -> None:
    with pytest.raises(InvalidField):
        KnownSection(LIMIT).read(varint.encode(len(section)) + section + bytes(100), 0)


def test_integers_need_not_be_minimal() -> None:
    lines = b"\x40\1a" + b"\x80\0\0\1" + b"b"
    assert KnownSection(LIMIT).read(b"\x40" + bytes([len(lines)]) + lines, 0)[0] == ((b"a", b"b"),)
    assert OpenSection(LIMIT).read(lines + b"\x40\0", 0) == (((b"a", b"b"),), len(lines) + 2)


@pytest.mark.parametrize("reader", [KnownSection, OpenSection])
def test_the_bound_counts_bytes_and_32_for_each_line(reader: type[KnownSection | OpenSection]) -> None:
    form: Form = "known" if reader is KnownSection else "indeterminate"
    data = write(((b"a", b"12345"), (b"b", b"6")), form)  # 8 and 4 bytes
    fields, _ = reader(8 + 4 + 64).read(data, 0)
    assert fields is not None
    with pytest.raises(FieldsTooLarge):
        reader(8 + 4 + 63).read(data, 0)


def test_a_length_beyond_the_bound_is_refused_before_its_bytes_arrive() -> None:
    huge = varint.encode(varint.MAX)
    with pytest.raises(FieldsTooLarge):
        KnownSection(LIMIT).read(huge, 0)
    with pytest.raises(FieldsTooLarge):
        OpenSection(LIMIT).read(huge, 0)
    with pytest.raises(FieldsTooLarge):
        OpenSection(LIMIT).read(b"\1a" + huge, 0)


def test_the_bound_starts_anew_with_each_section() -> None:
    data = write(((b"a", b"12345"),), "indeterminate")
    section = OpenSection(40)
    for _ in range(3):
        assert section.read(data, 0) == (((b"a", b"12345"),), len(data))
