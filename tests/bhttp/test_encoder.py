from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bhttp_strategies import requests, responses

from tacita.bhttp import (
    Informational,
    InvalidControlData,
    InvalidField,
    InvalidStatus,
    OutOfOrder,
    Request,
    RequestEncoder,
    RequestHead,
    Response,
    ResponseEncoder,
    ResponseHead,
    decode_request,
    decode_response,
)

HEAD = RequestHead(b"GET", b"https", b"example.com", b"/")


@given(requests, st.integers(1, 50))
def test_requests(message: Request, step: int) -> None:
    encoder = RequestEncoder()
    data = encoder.head(message.head)
    for begin in range(0, len(message.content), step):
        data += encoder.content(message.content[begin : begin + step])
    data += encoder.end(message.trailers)
    assert decode_request(data) == message


@given(responses, st.integers(1, 50))
def test_responses(message: Response, step: int) -> None:
    encoder = ResponseEncoder()
    data = b"".join([encoder.informational(early) for early in message.informational])
    data += encoder.head(message.head)
    for begin in range(0, len(message.content), step):
        data += encoder.content(message.content[begin : begin + step])
    data += encoder.end(message.trailers)
    assert decode_response(data) == message


def test_an_empty_piece_does_not_end_the_content() -> None:
    encoder = RequestEncoder()
    data = encoder.head(HEAD)
    assert encoder.content(b"") == b""
    data += encoder.content(b"x") + encoder.end()
    assert decode_request(data) == Request(HEAD, b"x")


@pytest.mark.parametrize(
    "calls",
    [
        lambda e: e.content(b"x"),
        lambda e: e.end(),
        lambda e: (e.head(ResponseHead(200)), e.head(ResponseHead(200))),
        lambda e: (e.head(ResponseHead(200)), e.informational(Informational(100))),
        lambda e: (e.informational(Informational(100)), e.end()),
        lambda e: (e.head(ResponseHead(200)), e.end(), e.end()),
        lambda e: (e.head(ResponseHead(200)), e.end(), e.content(b"x")),
        lambda e: (e.head(ResponseHead(200)), e.end(), e.head(ResponseHead(200))),
    ],
)
def test_response_calls_out_of_order(calls: Callable[[ResponseEncoder], object]) -> None:
    with pytest.raises(OutOfOrder):
        calls(ResponseEncoder())


def test_request_calls_out_of_order() -> None:
    encoder = RequestEncoder()
    with pytest.raises(OutOfOrder):
        encoder.content(b"x")
    encoder.head(HEAD)
    with pytest.raises(OutOfOrder):
        encoder.head(HEAD)


def test_invalid_parts_are_refused() -> None:
    with pytest.raises(InvalidControlData):
        RequestEncoder().head(RequestHead(b"GET", b"https", b"example.com", b""))
    with pytest.raises(InvalidField):
        RequestEncoder().head(RequestHead(b"GET", b"https", b"example.com", b"/", ((b"Host", b"a"),)))
    with pytest.raises(InvalidStatus):
        ResponseEncoder().head(ResponseHead(100))
    with pytest.raises(InvalidStatus):
        ResponseEncoder().informational(Informational(200))
    with pytest.raises(InvalidStatus):
        ResponseEncoder().head(ResponseHead(-1))
    encoder = ResponseEncoder()
    encoder.head(ResponseHead(200))
    with pytest.raises(InvalidField):
        encoder.end([(b"a", b"b\r\n")])
