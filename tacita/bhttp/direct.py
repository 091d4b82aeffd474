"""Reading a whole known-length request in one pass, which is what nearly every one-shot request is.

The state machine of `tacita.bhttp.machine` decides what a request is, and names every error. Here the
same parts are read in a straight line where nothing is unusual; in every other case the answer is None,
and the machine is asked. A property test holds the two together.
"""

from tacita.bhttp.decoder import MAX_SECTION
from tacita.bhttp.errors import FieldsTooLarge, TruncatedMessage
from tacita.bhttp.messages import Fields, Request, RequestHead
from tacita.bhttp.rules import check_fields, check_request_control
from tacita.bhttp.sections import LINE_OVERHEAD, read_lines
from tacita.errors import TacitaError
from tacita.wire import varint

__all__ = ["known_request"]


def known_request(data: bytes) -> Request | None:
    """Return the request that `data` is; None: ask the machine."""
    if data[:1] != b"\0":
        return None
    try:
        return _read(data)
    except (TacitaError, IndexError):
        return None


def _read(data: bytes) -> Request | None:
    # Integers of one byte, which most are, are read without a call: this is a third of all the time.
    size = len(data)
    offset = 1
    parts = []
    for _ in range(4):
        length = data[offset]
        if length < 0x40:
            offset += 1
        else:
            length, offset = varint.decode(data, offset)
        end = offset + length
        parts.append(data[offset:end])
        offset = end
    if offset - 1 > MAX_SECTION:
        return None
    method, scheme, authority, path = parts
    check_request_control(method, scheme, authority, path)
    fields, offset = _section(data, offset)
    length, offset = varint.decode(data, offset)
    end = offset + length
    if end > size:
        return None
    trailers: Fields = ()
    padding = end
    # An empty trailer section and padding look alike, and are all that follows most messages.
    if data.count(0, end) != size - end:
        trailers, padding = _section(data, end)
        if data.count(0, padding) != size - padding:
            return None
    return Request(RequestHead(method, scheme, authority, path, fields), data[offset:end], trailers)


def _section(data: bytes, offset: int) -> tuple[Fields, int]:
    """Return the field section at `offset`, and where it ends."""
    length, offset = varint.decode(data, offset)
    end = offset + length
    if end > len(data):
        raise TruncatedMessage
    fields = read_lines(data[offset:end])
    if length + LINE_OVERHEAD * len(fields) > MAX_SECTION:
        raise FieldsTooLarge
    check_fields(fields)
    return tuple(fields), end
