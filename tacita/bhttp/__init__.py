"""Binary HTTP (RFC 9292): HTTP messages as bytes, apart from any connection.

    from tacita import bhttp

    request = bhttp.Request(bhttp.RequestHead(b"GET", b"https", b"example.com", b"/"))
    assert bhttp.decode_request(bhttp.encode_request(request)) == request

`whole` has the four functions for messages at hand, `decoder` and `encoder` the
classes for messages that arrive or leave in pieces, `rules` what is invalid.
"""

from tacita.bhttp.decoder import MAX_INFORMATIONAL, MAX_SECTION, RequestDecoder, ResponseDecoder
from tacita.bhttp.encoder import RequestEncoder, ResponseEncoder
from tacita.bhttp.errors import (
    ControlDataTooLarge,
    FieldsTooLarge,
    InvalidControlData,
    InvalidField,
    InvalidMessage,
    InvalidPadding,
    InvalidStatus,
    OutOfOrder,
    TooManyInformational,
    TruncatedMessage,
    UnexpectedFraming,
)
from tacita.bhttp.messages import (
    Content,
    End,
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
from tacita.bhttp.whole import decode_request, decode_response, encode_request, encode_response

__all__ = [
    "MAX_INFORMATIONAL",
    "MAX_SECTION",
    "Content",
    "ControlDataTooLarge",
    "End",
    "Event",
    "Field",
    "Fields",
    "FieldsTooLarge",
    "Form",
    "Informational",
    "InvalidControlData",
    "InvalidField",
    "InvalidMessage",
    "InvalidPadding",
    "InvalidStatus",
    "OutOfOrder",
    "Request",
    "RequestDecoder",
    "RequestEncoder",
    "RequestHead",
    "Response",
    "ResponseDecoder",
    "ResponseEncoder",
    "ResponseHead",
    "TooManyInformational",
    "Trailers",
    "TruncatedMessage",
    "UnexpectedFraming",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
]
