"""Binary HTTP: whole messages, and the same message in pieces."""

from collections.abc import Iterator

from support.bhttp_strategies import run
from support.fuzzing import cut, outcome, pick, shared_values, total

from tacita.bhttp import (
    Form,
    Informational,
    Request,
    RequestDecoder,
    RequestHead,
    Response,
    ResponseDecoder,
    ResponseHead,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)

_FORMS: tuple[Form, ...] = ("known", "indeterminate")
_FIELDS = ((b"content-type", b"text/plain"), (b"x", b""), (b"x", b"2"))


def _request(data: bytes) -> None:
    pieces, whole = cut(data)
    assert outcome(lambda: run(RequestDecoder(), pieces)) == outcome(lambda: run(RequestDecoder(), [whole]))
    message = total(decode_request, whole)
    if message is not None:
        for form in _FORMS:
            assert decode_request(encode_request(message, form=form, padding=3)) == message


def _response(data: bytes) -> None:
    pieces, whole = cut(data)
    assert outcome(lambda: run(ResponseDecoder(), pieces)) == outcome(lambda: run(ResponseDecoder(), [whole]))
    message = total(decode_response, whole)
    if message is not None:
        for form in _FORMS:
            assert decode_response(encode_response(message, form=form, padding=3)) == message


def one(data: bytes) -> None:
    """A message has one outcome however it is cut, and a valid one survives being written in each form."""
    pick(data, (_request, _response))


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    request = Request(RequestHead(b"POST", b"https", b"a.example", b"/v1?x=1", _FIELDS), b"abc", _FIELDS)
    response = Response(
        ResponseHead(200, _FIELDS), b"abc", _FIELDS, (Informational(103, _FIELDS), Informational(102, ()))
    )
    for form in _FORMS:
        yield b"\0\1\2\3\4\5" + encode_request(request, form=form)
        yield b"\1\7\7\7\7\7" + encode_response(response, form=form, padding=9)
    yield b"\0\0\0\0\0\0" + encode_request(Request(RequestHead(b"GET", b"https", b"a", b"/")))[:-2]
    for value in shared_values("ohttp/rfc9292-examples.json", "ohttp/ohttp-js.json"):
        for choice in (0, 1):
            yield bytes((choice,)) + bytes(5) + value
