"""Which fields cross the gateway, in both directions, and in what shape.

The rule is the intermediary's of RFC 9110, Section 7.6.1: fields that speak of one
connection stop here, all others pass in their order and with their repetitions.
Pure functions on bytes.
"""

import re

from gateway.errors import BadInnerMessage, ExpectationRefused
from tacita.bhttp import Fields, RequestHead

__all__ = ["check_request", "content_length", "end_to_end", "values"]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
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
_LONGEST_PATH = 8_000
"""What every HTTP server takes in a request line (RFC 9110, Section 4.1)."""
_LENGTH = re.compile(rb"[0-9]{1,15}")


def values(fields: Fields, name: bytes) -> list[bytes]:
    """Return the values of the lowercase `name`, in order."""
    return [value for key, value in fields if key == name]


def check_request(head: RequestHead) -> RequestHead:
    """Return `head` if it can be forwarded as an HTTP/1.1 request, its authority filled in.

    The decoder has checked the alphabet of each part; what is left is what it may mean.

    Raises:
        BadInnerMessage: CONNECT, a target that is not a path, no or contradictory authority.
        ExpectationRefused: it has an Expect field.
    """
    if head.method == b"CONNECT":
        raise BadInnerMessage("A gateway opens no tunnels; send the request itself.")
    if not head.path.startswith(b"/") or len(head.path) > _LONGEST_PATH:
        raise BadInnerMessage("The path does not begin with a slash, or is longer than 8,000 bytes.")
    if values(head.fields, b"expect"):
        raise ExpectationRefused("Send the content with the request; a gateway takes no Expect.")
    hosts = values(head.fields, b"host")
    authority = head.authority or (hosts[0] if hosts else b"")
    if not authority or any(host != authority for host in hosts):
        raise BadInnerMessage("The request has no authority, or its Host field names another one.")
    return RequestHead(head.method, head.scheme, authority, head.path, head.fields)


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


def end_to_end(fields: Fields) -> Fields:
    """Return `fields` (lowercase names) without those that concern one connection only."""
    named = {
        option.strip().lower()
        for key, value in fields
        if key == b"connection"
        for option in value.split(b",")
    }
    return tuple((key, value) for key, value in fields if key not in _HOP_BY_HOP and key not in named)
