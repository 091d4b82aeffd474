"""Incremental encoders of Binary HTTP messages, in the indeterminate-length form (RFC 9292, Section 3.2).

    encoder = ResponseEncoder()
    send(encoder.head(ResponseHead(200, fields)))
    for piece in pieces:
        send(encoder.content(piece))
    send(encoder.end(trailers))

Each call returns the bytes that it adds to the message. What a decoder would call
invalid is refused here with the same error, before any byte of it leaves. Sizes are
the receiver's business: a field section may be larger than its bound.

Calls in another order raise `OutOfOrder`. After any error the message is unusable.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from tacita.bhttp import sections
from tacita.bhttp.errors import OutOfOrder
from tacita.bhttp.messages import Field, Form, Informational, RequestHead, ResponseHead
from tacita.bhttp.rules import check_final_status, check_informational_status, check_request_control
from tacita.wire import varint

__all__ = [
    "RequestEncoder",
    "ResponseEncoder",
    "write_informational",
    "write_request_head",
    "write_response_head",
]

_FORM: Final = "indeterminate"


def write_request_head(head: RequestHead, form: Form) -> bytes:
    """Return control data and header section. Raises `InvalidControlData` or `InvalidField`."""
    parts = (head.method, head.scheme, head.authority, head.path)
    check_request_control(*parts)
    control = b"".join([varint.encode(len(part)) + part for part in parts])
    return control + sections.write(head.fields, form)


def write_response_head(head: ResponseHead, form: Form) -> bytes:
    """Return control data and header section. Raises `InvalidStatus` or `InvalidField`."""
    check_final_status(head.status)
    return varint.encode(head.status) + sections.write(head.fields, form)


def write_informational(message: Informational, form: Form) -> bytes:
    """Return control data and header section. Raises `InvalidStatus` or `InvalidField`."""
    check_informational_status(message.status)
    return varint.encode(message.status) + sections.write(message.fields, form)


class _Part(Enum):
    FRAMING = auto()
    HEAD = auto()
    BODY = auto()
    OVER = auto()


class _Encoder:
    """What follows the head, the same for requests and responses."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = _Part.FRAMING

    def content(self, data: bytes) -> bytes:
        """Return one chunk of content; nothing for empty `data`, as an empty chunk would end the content."""
        self._expect(_Part.BODY)
        return varint.encode(len(data)) + data if data else b""

    def end(self, trailers: Sequence[Field] = ()) -> bytes:
        """Return the end of the content and the trailer section. Raises `InvalidField`."""
        self._expect(_Part.BODY)
        tail = b"\0" + sections.write(trailers, _FORM)
        self._next = _Part.OVER
        return tail

    def _expect(self, *parts: _Part) -> None:
        if self._next not in parts:
            raise OutOfOrder("Encode one head, then content, then one end, and nothing after it.")


class RequestEncoder(_Encoder):
    """Encodes one request: `head`, any number of `content`, `end`."""

    __slots__ = ()

    def head(self, head: RequestHead) -> bytes:
        """Return the start of the message. Raises `InvalidControlData` or `InvalidField`."""
        self._expect(_Part.FRAMING)
        start = b"\2" + write_request_head(head, _FORM)
        self._next = _Part.BODY
        return start


class ResponseEncoder(_Encoder):
    """Encodes one response: any number of `informational`, `head`, any number of `content`, `end`."""

    __slots__ = ()

    def informational(self, message: Informational) -> bytes:
        """Return an informational response. Raises `InvalidStatus` or `InvalidField`."""
        return self._start(write_informational(message, _FORM), _Part.HEAD)

    def head(self, head: ResponseHead) -> bytes:
        """Return the head of the final response. Raises `InvalidStatus` or `InvalidField`."""
        return self._start(write_response_head(head, _FORM), _Part.BODY)

    def _start(self, part: bytes, following: _Part) -> bytes:
        self._expect(_Part.FRAMING, _Part.HEAD)
        start = b"\3" + part if self._next is _Part.FRAMING else part
        self._next = following
        return start
