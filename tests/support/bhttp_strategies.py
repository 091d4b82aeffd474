"""Hypothesis strategies for valid Binary HTTP messages, and what the tests do with events."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from tacita.bhttp import (
    Content,
    Event,
    Field,
    Form,
    Informational,
    Request,
    RequestDecoder,
    RequestHead,
    Response,
    ResponseDecoder,
    ResponseHead,
)

_LOWER = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_VALUE_BYTES = [byte for byte in range(256) if byte not in b"\0\r\n"]


def _ascii(alphabet: str, *, low: int = 0, high: int = 80) -> st.SearchStrategy[bytes]:
    return st.text(alphabet, min_size=low, max_size=high).map(str.encode)


forms: st.SearchStrategy[Form] = st.sampled_from(("known", "indeterminate"))
names = _ascii(_LOWER, low=1)
# Long enough to need integers of two bytes.
values = st.lists(st.sampled_from(_VALUE_BYTES), max_size=80).map(lambda value: bytes(value).strip(b" \t"))
fields: st.SearchStrategy[tuple[Field, ...]] = st.lists(st.tuples(names, values), max_size=6).map(tuple)
contents = st.binary(max_size=200)

_paths = _ascii("".join(map(chr, range(0x24, 0x7F))) + '!"').map(lambda path: b"/" + path)
_ordinary = st.builds(
    RequestHead,
    method=_ascii(_LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ", low=1, high=20).filter(
        lambda name: name != b"CONNECT"
    ),
    scheme=st.sampled_from((b"https", b"http", b"HTTPS", b"coap+tcp")),
    authority=st.sampled_from((b"", b"example.com", b"[2001:db8::1]:8443", b"a.example:80")),
    path=_paths,
    fields=fields,
)
_peculiar = st.builds(
    RequestHead,
    method=st.just(b"OPTIONS"),
    scheme=st.just(b"https"),
    authority=st.just(b"example.com"),
    path=st.just(b"*"),
    fields=fields,
) | st.builds(
    RequestHead,
    method=st.just(b"CONNECT"),
    scheme=st.just(b""),
    authority=st.just(b"example.com:443"),
    path=st.just(b""),
    fields=fields,
)
request_heads = _ordinary | _peculiar
response_heads = st.builds(ResponseHead, status=st.integers(200, 599), fields=fields)
informationals = st.builds(Informational, status=st.integers(100, 199), fields=fields)
requests = st.builds(Request, head=request_heads, content=contents, trailers=fields)
responses = st.builds(
    Response,
    head=response_heads,
    content=contents,
    trailers=fields,
    informational=st.lists(informationals, max_size=3).map(tuple),
)


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    """Return `data` in pieces, cut at the given offsets (modulo its length)."""
    edges = sorted({0, len(data), *(offset % (len(data) + 1) for offset in at)})
    return [data[begin:end] for begin, end in pairwise(edges)]


def merged(events: Iterable[Event]) -> list[Event]:
    """Return the events with adjacent `Content` joined: the meaning without the chunking."""
    result: list[Event] = []
    for event in events:
        if isinstance(event, Content) and result and isinstance(result[-1], Content):
            result[-1] = Content(result[-1].data + event.data)
        else:
            result.append(event)
    return result


def run(decoder: RequestDecoder | ResponseDecoder, pieces: Iterable[bytes]) -> list[Event]:
    """Return the merged events of a message that arrives in `pieces`."""
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return merged(events + decoder.finish())


def example_message(example: dict[str, Any]) -> Request | Response:
    """Return the message that an example of tests/vectors/rfc9292.json stands for."""
    told = example["message"]
    body = (told["content"].encode(), _fields(told["trailers"]))
    if example["kind"] == "request":
        method, scheme, authority, path = (
            told[part].encode() for part in ("method", "scheme", "authority", "path")
        )
        return Request(RequestHead(method, scheme, authority, path, _fields(told["fields"])), *body)
    early = tuple(Informational(one["status"], _fields(one["fields"])) for one in told["informational"])
    return Response(ResponseHead(told["status"], _fields(told["fields"])), *body, early)


def _fields(pairs: list[list[str]]) -> tuple[Field, ...]:
    return tuple((name.encode(), value.encode()) for name, value in pairs)
