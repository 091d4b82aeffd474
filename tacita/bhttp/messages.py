"""The nouns of Binary HTTP (RFC 9292): events of an incremental decoder, and whole messages.

Everything is bytes, as it stands on the wire. Fields keep their order and their
repetitions (RFC 9110, Section 5.2): a mapping would lose both. A message may come
in either of two forms (RFC 9292, Sections 3.1 and 3.2) and means the same in both.

What may be somebody's secret (paths, fields, content) is left out of each `repr`,
so that a log line or traceback that shows a message shows no content.
"""

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Content",
    "End",
    "Event",
    "Field",
    "Fields",
    "Form",
    "Informational",
    "Request",
    "RequestHead",
    "Response",
    "ResponseHead",
    "Trailers",
]

Field = tuple[bytes, bytes]
"""A field line: lowercase name, value."""

Fields = tuple[Field, ...]
"""A field section in its order, repeated names included."""

Form = Literal["known", "indeterminate"]
"""How lengths are written: before each part (framing 0 and 1), or as it goes (2 and 3)."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Control data and header section of a request (Section 3.4)."""

    method: bytes
    scheme: bytes
    authority: bytes = field(repr=False)
    """Empty where HTTP/2 would leave out `:authority`."""
    path: bytes = field(repr=False)
    fields: Fields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Control data and header section of a final response, 200 to 599 (Section 3.5)."""

    status: int
    fields: Fields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Informational:
    """An informational response, 100 to 199, ahead of the final one (Section 3.5.1)."""

    status: int
    fields: Fields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Content:
    """Some bytes of the content, never empty; where one piece ends means nothing."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Trailers:
    """The trailer section; there is no such event when it is empty or absent."""

    fields: Fields = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """The message was complete and valid, its padding included."""


Event = RequestHead | ResponseHead | Informational | Content | Trailers | End


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request."""

    head: RequestHead
    content: bytes = field(default=b"", repr=False)
    trailers: Fields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response with the informational ones that came before it."""

    head: ResponseHead
    content: bytes = field(default=b"", repr=False)
    trailers: Fields = field(default=(), repr=False)
    informational: tuple[Informational, ...] = ()
