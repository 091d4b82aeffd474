"""Which fields cross the gateway, in both directions, and in what shape.

The rule is the intermediary's of RFC 9110, Section 7.6.1: fields that speak of one
connection stop here, all others pass in their order and with their repetitions.
Pure functions on bytes.

What cannot be written into an HTTP/1.1 request exactly as it came is refused, never
mended: a request that means one thing here and another at the target is how one is
smuggled into another.
"""

import re
from datetime import UTC, datetime

from gateway.errors import BadInnerMessage, BadTargetAnswer, ExpectationRefused
from tacita.bhttp import Field, Fields, RequestHead

__all__ = [
    "as_trailers",
    "check_request",
    "content_length",
    "end_to_end",
    "from_target",
    "http_date",
    "to_target",
    "values",
]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_IN_TRAILERS = _HOP_BY_HOP | {
    b"age",
    b"authentication-info",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"expires",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authentication-info",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"vary",
    b"warning",
    b"www-authenticate",
}
"""Framing, routing, modifiers, credentials and the like: whoever merges trailers into the head, as some do,
must not be told anything by them that it has already acted on (RFC 9110, Section 6.5.1)."""

_LONGEST_PATH = 8_000
"""What every HTTP server takes in a request line (RFC 9110, Section 4.1)."""
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What no field value may hold (RFC 9110, Section 5.5); Binary HTTP refuses only three of them."""
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
"""The three forms of an HTTP date, the two obsolete ones included (RFC 9110, Section 5.6.7)."""


def values(fields: Fields, name: bytes) -> list[bytes]:
    """Return the values of the lowercase `name`, in order."""
    return [value for key, value in fields if key == name]


def check_request(head: RequestHead) -> RequestHead:
    """Return `head` if it can be forwarded as an HTTP/1.1 request, its authority filled in.

    The decoder has checked the alphabet of each part; what is left is what it may mean, and whether
    our HTTP client would write it as it is: that one changes methods to capitals and leaves out
    bytes that are not UTF-8.

    Raises:
        BadInnerMessage: CONNECT, a method not in capitals, a target that is not a path, no or
            contradictory authority, a field value that cannot be written.
        ExpectationRefused: it has an Expect field.
    """
    if head.method != head.method.upper():
        raise BadInnerMessage("The method is not in capitals; methods are case-sensitive.")
    if head.method == b"CONNECT":
        raise BadInnerMessage("A gateway opens no tunnels; send the request itself.")
    if not head.path.startswith(b"/") or len(head.path) > _LONGEST_PATH:
        raise BadInnerMessage("The path does not begin with a slash, or is longer than 8,000 bytes.")
    given = dict(head.fields)
    if b"expect" in given:
        raise ExpectationRefused("Send the content with the request; a gateway takes no Expect.")
    _check_values(head.fields)
    if head.authority and b"host" not in given:
        return head
    hosts = values(head.fields, b"host")
    authority = head.authority or (hosts[0] if hosts else b"")
    if not authority or len(hosts) > 1 or any(host.lower() != authority.lower() for host in hosts):
        raise BadInnerMessage("The request has no authority, or its Host field names another one.")
    if head.authority:
        return head
    return RequestHead(head.method, head.scheme, authority, head.path, head.fields)


def _check_values(fields: Fields) -> None:
    joined = b" ".join([value for _, value in fields])
    try:
        text = joined.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    # To look for each control character takes long; that there is none can mostly be told at once.
    if (text is None or not text.isprintable()) and _CONTROLS.search(joined):
        raise BadInnerMessage("A field value holds a control character; remove it.")
    if text is None:
        raise BadInnerMessage("A field value is not UTF-8; encode it.")


def content_length(fields: Fields) -> int | None:
    """Return what Content-Length says, or None where there is none.

    Raises:
        BadInnerMessage: it is repeated or not a number.
    """
    lengths = values(fields, b"content-length")
    if not lengths:
        return None
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise BadInnerMessage("The Content-Length of the request is not one number.")
    return int(lengths[0])


def http_date(value: bytes) -> float:
    """Return the UNIX time of an HTTP date.

    Raises:
        BadInnerMessage: it has none of the three forms.
    """
    for form in _DATES:
        try:
            return datetime.strptime(value.decode("ascii"), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise BadInnerMessage("The Date of the request is not an HTTP date.")


def end_to_end(fields: Fields) -> Fields:
    """Return `fields` (lowercase names) without those that concern one connection only."""
    if _HOP_BY_HOP.isdisjoint(dict(fields)):
        return fields
    named = {
        option.strip(b" \t").lower()
        for key, value in fields
        if key == b"connection"
        for option in value.split(b",")
    }
    return tuple((key, value) for key, value in fields if key not in _HOP_BY_HOP and key not in named)


def to_target(head: RequestHead, fields: Fields) -> list[Field]:
    """Return the header fields with which `head`, as returned by `check_request`, goes on."""
    fields = end_to_end(fields)
    if b"host" in dict(fields):
        fields = tuple(field for field in fields if field[0] != b"host")
    return [(b"Host", head.authority), *fields]


def as_trailers(fields: Fields) -> Fields:
    """Return those of `fields` (lowercase names) that may stand in a trailer section, in either direction."""
    return tuple([field for field in fields if field[0] not in _NOT_IN_TRAILERS]) if fields else ()


def from_target(received: Fields) -> Fields:
    """Return the header fields of a target's answer (lowercase names) as they go into the encapsulation.

    Raises:
        BadTargetAnswer: its content has a transfer coding that we did not ask for and cannot undo.
    """
    if b"transfer-encoding" in dict(received) and [
        coding.lower() for coding in values(received, b"transfer-encoding")
    ] != [b"chunked"]:
        raise BadTargetAnswer("The target's answer has a transfer coding that nobody asked for.")
    return end_to_end(received)
