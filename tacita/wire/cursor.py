"""A bounds-checked reader for the presentation language of RFC 8446, Section 3.

    cursor = Cursor(data)
    key_id = cursor.u8()
    name = cursor.opaque16()
    cursor.finish()

Every read raises `Truncated` at the end of the bytes, and `finish` refuses what is
left over: a format read this way has exactly one encoding of each length.
"""

from tacita.errors import DecodeError
from tacita.wire import varint
from tacita.wire.varint import Truncated

__all__ = ["Cursor", "TrailingBytes", "opaque8", "opaque16"]


class TrailingBytes(DecodeError):
    """Something follows where the structure has ended."""


class Cursor:
    """Reads big-endian integers and length-prefixed fields from `data`, front to back."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    @property
    def remaining(self) -> int:
        """Bytes that have not been read."""
        return len(self._data) - self._offset

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes. Raises `Truncated`."""
        end = self._offset + length
        if end > len(self._data):
            raise Truncated("The bytes end inside a field.")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def u8(self) -> int:
        """Return the next byte as an integer. Raises `Truncated`."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return the next two bytes as an integer. Raises `Truncated`."""
        return int.from_bytes(self.take(2), "big")

    def opaque8(self) -> bytes:
        """Return a field with a one-byte length before it. Raises `Truncated`."""
        return self.take(self.u8())

    def opaque16(self) -> bytes:
        """Return a field with a two-byte length before it. Raises `Truncated`."""
        return self.take(self.u16())

    def varint(self) -> int:
        """Return a QUIC integer, in whichever of its forms. Raises `Truncated`."""
        value, self._offset = varint.decode(self._data, self._offset)
        return value

    def varint_minimal(self) -> int:
        """Return a QUIC integer in its shortest form. Raises `Truncated` or `NotMinimal`."""
        value, self._offset = varint.decode_minimal(self._data, self._offset)
        return value

    def rest(self) -> bytes:
        """Return everything that has not been read."""
        return self.take(self.remaining)

    def finish(self) -> None:
        """Raise `TrailingBytes` unless everything has been read."""
        if self.remaining:
            raise TrailingBytes("Something follows where the structure has ended.")


def opaque8(value: bytes) -> bytes:
    """Return `value` with a one-byte length before it (at most 255 bytes)."""
    return len(value).to_bytes(1, "big") + value


def opaque16(value: bytes) -> bytes:
    """Return `value` with a two-byte length before it (at most 65,535 bytes)."""
    return len(value).to_bytes(2, "big") + value
