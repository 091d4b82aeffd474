"""What the gateway decides about the fields of a request inside, and of a target's answer."""

from collections.abc import Iterator

from support.fuzzing import total

from gateway.fields import check_request, content_length, end_to_end, from_target, http_date, to_target
from tacita.bhttp import Request, RequestHead, decode_request, encode_request

_HEAD = RequestHead(
    b"POST",
    b"https",
    b"a.example",
    b"/v1?x=1",
    (
        (b"host", b"a.example"),
        (b"connection", b"close, x-private"),
        (b"x-private", b"1"),
        (b"content-length", b"3"),
        (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (b"te", b"trailers"),
    ),
)


def one(data: bytes) -> None:
    """What may be forwarded can be written as an HTTP/1.1 head in which no value ends a line."""
    message = total(decode_request, data)
    if message is None:
        return
    fields = message.head.fields
    total(lambda _: content_length(fields), b"")
    total(lambda _: from_target(fields), b"")
    for name, value in fields:
        if name == b"date":
            total(http_date, value)
    head = total(lambda _: check_request(message.head), b"")
    if head is None:
        return
    for name, value in to_target(head, head.fields):
        written = [part.encode() if isinstance(part, str) else part for part in (name, value)]
        assert not any(byte in part for part in written for byte in b"\r\n\0")
    assert end_to_end(end_to_end(fields)) == end_to_end(fields)
    assert head.path.startswith(b"/")
    assert b" " not in head.path


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    yield encode_request(Request(_HEAD, b"abc"))
    yield encode_request(Request(_HEAD, b"abc", ((b"x-trailer", b"1"),)), form="indeterminate")
    yield encode_request(Request(RequestHead(b"GET", b"http", b"", b"/", ((b"host", b"b.example:80"),))))
