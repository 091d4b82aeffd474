"""Incremental decoders of Binary HTTP messages (RFC 9292): what is particular to requests and responses.

    decoder = RequestDecoder()
    for piece in pieces:
        for event in decoder.feed(piece): ...
    for event in decoder.finish(): ...

How they work is told in `tacita.bhttp.machine`.
"""

from typing import Final

from tacita.bhttp.errors import ControlDataTooLarge, TooManyInformational
from tacita.bhttp.machine import Machine
from tacita.bhttp.messages import Event, Fields, Informational, RequestHead, ResponseHead
from tacita.bhttp.rules import check_final_status, check_request_control
from tacita.bhttp.sections import integer

__all__ = ["MAX_INFORMATIONAL", "MAX_SECTION", "RequestDecoder", "ResponseDecoder"]

# nghttp2's bound on a header block (NGHTTP2_MAX_HEADERSLEN); Envoy takes 60 KiB, node.js 16.
MAX_SECTION: Final = 65_536
# Go's net/http gives up after 5. A slow answer may repeat 102 or 103, so we take three times that.
MAX_INFORMATIONAL: Final = 15


class RequestDecoder(Machine):
    """Decodes one request: `RequestHead`, any number of `Content`, at most one `Trailers`, `End`.

    `max_section` bounds, in bytes, the control data and each field section. A section
    counts 32 bytes more for each of its lines.
    """

    __slots__ = ("_line",)

    _known = 0

    def __init__(self, *, max_section: int = MAX_SECTION) -> None:
        super().__init__(max_section)
        self._line = (b"", b"", b"", b"")

    def _control(self, data: bytes, offset: int, events: list[Event]) -> int:
        begin = offset
        parts: list[bytes] = []
        for _ in range(4):
            length, value = integer(data, offset)
            end = value + length if length > 0 else value
            if end - begin > self._section_limit:
                raise ControlDataTooLarge("The control data of a request is too large; send a shorter path.")
            if length < 0 or end > len(data):
                return self._wait(end - begin)
            parts.append(data[value:end])
            offset = end
        method, scheme, authority, path = parts
        check_request_control(method, scheme, authority, path)
        self._line = (method, scheme, authority, path)
        self._expect_section(Machine._header, may_end=True)
        return offset

    def _head(self, fields: Fields, events: list[Event]) -> None:
        events.append(RequestHead(*self._line, fields))
        self._expect_length()


class ResponseDecoder(Machine):
    """Decodes one response: some `Informational`, `ResponseHead`, `Content`, at most one `Trailers`, `End`.

    `max_section` bounds each field section in bytes, as in `RequestDecoder`;
    `max_informational` bounds how many informational responses may come first.
    """

    __slots__ = ("_informational_left", "_status")

    _known = 1

    def __init__(self, *, max_section: int = MAX_SECTION, max_informational: int = MAX_INFORMATIONAL) -> None:
        super().__init__(max_section)
        self._informational_left = max_informational
        self._status = 0

    def _control(self, data: bytes, offset: int, events: list[Event]) -> int:
        status, end = integer(data, offset)
        if status < 0:
            return self._wait(end - offset)
        self._status = status
        informational = 100 <= status < 200
        if informational:
            if not self._informational_left:
                raise TooManyInformational("Too many informational responses precede the final one.")
            self._informational_left -= 1
        else:
            check_final_status(status)
        self._expect_section(Machine._header, may_end=not informational)
        return end

    def _head(self, fields: Fields, events: list[Event]) -> None:
        if self._status < 200:
            events.append(Informational(self._status, fields))
            self._expect_control()
        else:
            events.append(ResponseHead(self._status, fields))
            self._expect_length()
