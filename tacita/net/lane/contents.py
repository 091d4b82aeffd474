"""The content of a request, taken out of its framing: by length, or chunked (RFC 9112, sections 6 and 7.1).

    pieces, rest = content.feed(data)

`rest` is None while the content goes on, and for good where its framing is `broken`; once it has
ended, it is what followed it: the beginning of another message, which nobody has looked at. That
offset is why chunks are decoded here and not by llhttp, whose binding does not tell where in a segment
a message ended; tests compare the two.
"""

import re

from tacita.net.message import BodyMalformed

__all__ = ["ByLength", "Chunked", "Content"]

_MAX_LINE = 256
"""Bytes of a chunk's size with its extensions, of which none is in use; Go allows 4,096."""

_MAX_EXCESS = 16 << 10
"""Bytes of all extensions of one message, as Go and hyper bound them."""

_MAX_TRAILERS = 4 << 10
"""Bytes of the trailer section, which is checked and dropped."""

# No space before the extension, though the RFC bears with it: not all parsers do. Seven digits reach
# 256 MiB; a longer size is an attempt to make somebody's integer overflow.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,7})(?:;[\t\x20-\x7e]*)?")

_TRAILERS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+")

_PLAIN_LINE = 16


class ByLength:
    """Content of `length` bytes."""

    __slots__ = ("_left",)

    broken = False

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> tuple[list[bytes], bytes | None]:
        """Take the next bytes of the connection; return pieces of content and what followed its end."""
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return [data] if data else [], None
        self._left = 0
        if len(data) == left:
            return [data] if data else [], b""
        return [data[:left]] if left else [], data[left:]


class Chunked:
    """Content in chunks."""

    __slots__ = ("_buffer", "_excess", "_left", "_trailing", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._buffer = b""
        self._left = 0  # Of the present chunk, its final CRLF included.
        self._excess = 0
        self._trailing = False

    def feed(self, data: bytes) -> tuple[list[bytes], bytes | None]:
        """Take the next bytes of the connection; return pieces of content and what followed its end."""
        pieces: list[bytes] = []
        if self.broken:
            return pieces, None
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        try:
            return pieces, self._feed(data, pieces)
        except BodyMalformed:
            # What came before the fault counts, or else it would depend on the segments what is seen of it.
            self.broken = True
            return pieces, None

    def _feed(self, data: bytes, pieces: list[bytes]) -> bytes | None:
        position = 0
        while not self._trailing:
            if self._left:
                position = self._chunk(data, position, pieces)
                if self._left:
                    return None
            end = data.find(b"\r\n", position, position + _MAX_LINE + 2)
            if end < 0:
                if len(data) - position > _MAX_LINE:
                    raise BodyMalformed
                self._buffer = data[position:]
                return None
            size = self._size(data[position:end])
            position = end + 2
            self._left = size + 2 if size else 0
            self._trailing = not size
        return self._trailers(data[position:])

    def _chunk(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        """Take what is there of the present chunk; return where it ends."""
        stop = position + self._left
        content_stop = stop - 2
        available = len(data)
        if available >= stop:
            if content_stop > position:
                pieces.append(data[position:content_stop])
            if data[content_stop:stop] != b"\r\n":
                raise BodyMalformed
            self._left = 0
            return stop
        content = data[position:content_stop]
        if content:
            pieces.append(content)
        # Of the final CRLF nothing or the CR is there.
        rest = data[max(position, content_stop) :]
        if rest not in (b"", b"\r"):
            raise BodyMalformed
        self._buffer = rest
        self._left -= len(content)
        return available

    def _size(self, line: bytes) -> int:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise BodyMalformed
        if len(line) > _PLAIN_LINE:
            self._excess += len(line) - _PLAIN_LINE
            if self._excess > _MAX_EXCESS:
                raise BodyMalformed
        return int(match[1], 16)

    def _trailers(self, data: bytes) -> bytes | None:
        if data.startswith(b"\r\n"):
            return data[2:]
        end = data.find(b"\r\n\r\n", 0, _MAX_TRAILERS + 4)
        if end < 0:
            if len(data) > _MAX_TRAILERS:
                raise BodyMalformed
            self._buffer = data
            return None
        if _TRAILERS.fullmatch(data, 0, end + 2) is None:
            raise BodyMalformed
        return data[end + 4 :]


Content = ByLength | Chunked
