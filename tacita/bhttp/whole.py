"""Whole Binary HTTP messages in one call, in both directions and both forms (RFC 9292).

    data = encode_request(Request(RequestHead(b"GET", b"https", b"example.com", b"/")))
    request = decode_request(data)

The encoders write every part, empty ones included, and the shortest form of every
integer; Section 3 and Section 3.8 let others be shorter or longer, and the decoders
take all of it. Decoding and encoding again is therefore not the identity.
"""

from collections.abc import Sequence

from tacita.bhttp import sections
from tacita.bhttp.decoder import RequestDecoder, ResponseDecoder
from tacita.bhttp.direct import known_request
from tacita.bhttp.encoder import write_informational, write_request_head, write_response_head
from tacita.bhttp.errors import TruncatedMessage
from tacita.bhttp.messages import (
    Content,
    Event,
    Field,
    Fields,
    Form,
    Informational,
    Request,
    RequestHead,
    Response,
    ResponseHead,
    Trailers,
)
from tacita.wire import varint

__all__ = ["decode_request", "decode_response", "encode_request", "encode_response"]


def encode_request(message: Request, *, form: Form = "known", padding: int = 0) -> bytes:
    """Return `message` in the given form with `padding` zero bytes behind it.

    Raises:
        InvalidControlData, InvalidField: a decoder would refuse the message.
        ValueError: there is no such form, or `padding` is negative.
    """
    framing = b"\0" if form == "known" else b"\2"
    return _join(
        [framing, write_request_head(message.head, form)], message.content, message.trailers, form, padding
    )


def encode_response(message: Response, *, form: Form = "known", padding: int = 0) -> bytes:
    """Return `message` in the given form with `padding` zero bytes behind it.

    Raises:
        InvalidStatus, InvalidField: a decoder would refuse the message.
        ValueError: there is no such form, or `padding` is negative.
    """
    parts = [b"\1" if form == "known" else b"\3"]
    parts += [write_informational(early, form) for early in message.informational]
    parts.append(write_response_head(message.head, form))
    return _join(parts, message.content, message.trailers, form, padding)


def decode_request(data: bytes) -> Request:
    """Return the request that `data` is, in whichever form. Raises what `RequestDecoder` raises."""
    plain = known_request(data)
    if plain is not None:
        return plain
    decoder = RequestDecoder()
    events = decoder.feed(data) + decoder.finish()
    for event in events:
        if isinstance(event, RequestHead):
            return Request(event, *_body(events))
    raise TruncatedMessage("A request has no head.")


def decode_response(data: bytes) -> Response:
    """Return the response that `data` is, in whichever form. Raises what `ResponseDecoder` raises."""
    decoder = ResponseDecoder()
    events = decoder.feed(data) + decoder.finish()
    early = tuple(event for event in events if isinstance(event, Informational))
    for event in events:
        if isinstance(event, ResponseHead):
            return Response(event, *_body(events), early)
    raise TruncatedMessage("A response has no head.")


def _join(parts: list[bytes], content: bytes, trailers: Sequence[Field], form: Form, padding: int) -> bytes:
    if form not in ("known", "indeterminate"):
        raise ValueError("the form of a message is known or indeterminate")
    if padding < 0:
        raise ValueError("padding is a number of bytes, zero or more")
    if content or form == "known":
        parts += (varint.encode(len(content)), content)
    if form == "indeterminate":
        parts.append(b"\0")
    parts += (sections.write(trailers, form), bytes(padding))
    return b"".join(parts)


def _body(events: list[Event]) -> tuple[bytes, Fields]:
    content = b"".join([event.data for event in events if isinstance(event, Content)])
    trailers = next((event.fields for event in events if isinstance(event, Trailers)), ())
    return content, trailers
