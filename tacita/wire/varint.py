"""Variable-length integers of QUIC (RFC 9000, Section 16): 1, 2, 4 or 8 bytes, 62 bits.

Two readers, because the specifications that we stand on disagree: Binary HTTP
(RFC 9292, Section 3.1) and chunked Oblivious HTTP allow an integer to be written
longer than needed; the vectors `<V>` of the Privacy Pass batch draft (after
RFC 9420, Section 2.1.2) do not.
"""

from tacita.errors import DecodeError

__all__ = ["MAX", "NotMinimal", "Truncated", "decode", "decode_minimal", "encode", "size"]

MAX = (1 << 62) - 1


class Truncated(DecodeError):
    """The bytes end inside an integer or field."""

    clause = "RFC 9000, Section 16"


class NotMinimal(DecodeError):
    """An integer is written in more bytes than it needs where its format forbids that."""

    clause = "RFC 9420, Section 2.1.2"


def size(value: int) -> int:
    """Return how many bytes the shortest form of `value` takes (1, 2, 4 or 8)."""
    if value < 0x40:
        return 1
    if value < 0x4000:
        return 2
    if value < 0x4000_0000:
        return 4
    return 8


def encode(value: int) -> bytes:
    """Return the shortest form of `value`.

    Raises:
        ValueError: `value` is negative or above 2^62-1 (a caller's mistake, not a peer's).
    """
    if not 0 <= value <= MAX:
        raise ValueError("a QUIC integer is between 0 and 2^62-1")
    if value < 0x40:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if value < 0x4000_0000:
        return (value | 0x8000_0000).to_bytes(4, "big")
    return (value | 0xC000_0000_0000_0000).to_bytes(8, "big")


def decode(data: bytes, offset: int = 0) -> tuple[int, int]:
    """Read one integer at `offset`; return it and the offset behind it.

    Raises:
        Truncated: fewer bytes are there than the first byte announces.
    """
    if offset >= len(data):
        raise Truncated("The bytes end where an integer should begin.")
    first = data[offset]
    length = 1 << (first >> 6)
    end = offset + length
    if end > len(data):
        raise Truncated("The bytes end inside an integer.")
    if length == 1:
        return first, end
    return int.from_bytes(data[offset:end], "big") & ((1 << (8 * length - 2)) - 1), end


def decode_minimal(data: bytes, offset: int = 0) -> tuple[int, int]:
    """Like `decode`, for formats that allow the shortest form only.

    Raises:
        Truncated: as `decode`.
        NotMinimal: a shorter form of the same value exists.
    """
    value, end = decode(data, offset)
    if end - offset != size(value):
        raise NotMinimal("An integer is written in more bytes than it needs.")
    return value, end
