"""Field sections on the wire (RFC 9292, Section 3.6), read and written in both forms.

A known-length section is a length and that many bytes of lines (Section 3.1): it is
read in one pass over a slice. An indeterminate-length section is lines up to a zero
where a name's length would be (Section 3.2): it is read a line at a time, so that one
that arrives in small pieces is never read twice.

A section is bounded by its bytes plus 32 for each line, as HTTP/2 counts a field list
(RFC 9113, Section 6.5.2): many tiny lines cost memory that their bytes do not show.

Integers need not be in their shortest form (RFC 9292, Section 3), the zero included.
"""

from collections.abc import Sequence
from typing import Final

from tacita.bhttp.errors import FieldsTooLarge, InvalidField
from tacita.bhttp.messages import Field, Fields, Form
from tacita.bhttp.rules import check_fields
from tacita.wire import varint

__all__ = ["LINE_OVERHEAD", "KnownSection", "OpenSection", "integer", "read_lines", "write"]

LINE_OVERHEAD: Final = 32
_SHORT: Final = [varint.encode(length) for length in range(0x40)]


def integer(data: bytes, offset: int) -> tuple[int, int]:
    """Read an integer that may not be there yet.

    Return it with the offset behind it; or -1 and the offset up to which bytes are needed.
    """
    if offset >= len(data):
        return -1, offset + 1
    if (first := data[offset]) < 0x40:
        return first, offset + 1
    end = offset + (1 << (first >> 6))
    return varint.decode(data, offset) if end <= len(data) else (-1, end)


def write(fields: Sequence[Field], form: Form) -> bytes:
    """Return a field section in the given form. Raises `InvalidField`."""
    check_fields(fields)
    parts: list[bytes] = []
    for name, value in fields:
        named, valued = len(name), len(value)
        parts += (
            _SHORT[named] if named < 0x40 else varint.encode(named),
            name,
            _SHORT[valued] if valued < 0x40 else varint.encode(valued),
            value,
        )
    lines = b"".join(parts)
    return varint.encode(len(lines)) + lines if form == "known" else lines + b"\0"


class KnownSection:
    """Reads known-length sections, one after the other; nothing is read before all of one is there."""

    __slots__ = ("_limit", "missing")

    begun: Final = False

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.missing = 0

    def read(self, data: bytes, offset: int) -> tuple[Fields | None, int]:
        """Read the section at `offset`; see `OpenSection.read`.

        Raises:
            FieldsTooLarge: the section exceeds its bound, or its length announces that it will.
            InvalidField: a line breaks a rule or does not fit into the section.
        """
        length, begin = integer(data, offset)
        if length < 0:
            self.missing = begin - offset
            return None, offset
        if length > self._limit:
            raise FieldsTooLarge("A field section is too large; send fewer or shorter fields.")
        end = begin + length
        if end > len(data):
            self.missing = end - offset
            return None, offset
        if not length:
            return (), end
        fields = read_lines(data[begin:end])
        if length + LINE_OVERHEAD * len(fields) > self._limit:
            raise FieldsTooLarge("A field section has too many lines; send fewer fields.")
        check_fields(fields)
        return tuple(fields), end


def read_lines(section: bytes) -> list[Field]:
    """Return the lines of a known-length section, unchecked. Raises `InvalidField` if they do not fit."""
    fields: list[Field] = []
    end = len(section)
    offset = 0
    try:
        while offset < end:
            length = section[offset]
            if length < 0x40:
                offset += 1
            else:
                length, offset = varint.decode(section, offset)
            middle = offset + length
            name = section[offset:middle]
            length = section[middle]
            if length < 0x40:
                offset = middle + 1
            else:
                length, offset = varint.decode(section, middle)
            fields.append((name, section[offset : offset + length]))
            offset += length
    except (IndexError, varint.Truncated):
        offset = end + 1
    if offset != end:
        raise InvalidField("A field line is longer than the section that holds it.")
    return fields


class OpenSection:
    """Reads indeterminate-length sections, one after the other, each as its lines come in."""

    __slots__ = ("_budget", "_limit", "_lines", "missing")

    def __init__(self, limit: int) -> None:
        self._lines: list[Field] = []
        self._limit = limit
        self._budget = limit
        self.missing = 0
        """Bytes that must stand behind the offset that `read` returned before another call can succeed."""

    @property
    def begun(self) -> bool:
        """Whether a line has been read: from then on the message may not end inside this section."""
        return bool(self._lines)

    def read(self, data: bytes, offset: int) -> tuple[Fields | None, int]:
        """Read what is complete in `data`.

        Return the whole section, once its end is there, and the offset behind it; or None
        and the offset behind the last line that was complete.

        Raises:
            FieldsTooLarge: the section exceeds its bound, or a length announces that it will.
            InvalidField: a line breaks a rule.
        """
        begin = offset
        while True:
            length, name = integer(data, begin)
            if length == 0:
                return self._close(), name
            if length < 0:
                end = name
                break
            middle = name + length
            self._allow(middle - begin)
            length, value = integer(data, middle)
            if length < 0:
                end = value
                break
            end = value + length
            self._allow(end - begin)
            if end > len(data):
                break
            self._lines.append((data[name:middle], data[value:end]))
            self._budget -= end - begin + LINE_OVERHEAD
            begin = end
        self.missing = end - begin
        return None, begin

    def _allow(self, line: int) -> None:
        if line + LINE_OVERHEAD > self._budget:
            raise FieldsTooLarge("A field section is too large; send fewer or shorter fields.")

    def _close(self) -> Fields:
        fields = tuple(self._lines)
        self._lines.clear()
        self._budget = self._limit
        check_fields(fields)
        return fields
