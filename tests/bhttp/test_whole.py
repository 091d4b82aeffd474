import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bhttp_strategies import forms, requests, responses

from tacita.bhttp import (
    Form,
    Informational,
    InvalidControlData,
    InvalidField,
    InvalidPadding,
    InvalidStatus,
    Request,
    RequestHead,
    Response,
    ResponseHead,
    UnexpectedFraming,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from tacita.errors import TacitaError

HEAD = RequestHead(b"GET", b"https", b"example.com", b"/")


@given(requests, forms, st.integers(0, 40))
def test_requests(message: Request, form: Form, padding: int) -> None:
    assert decode_request(encode_request(message, form=form, padding=padding)) == message


@given(responses, forms, st.integers(0, 40))
def test_responses(message: Response, form: Form, padding: int) -> None:
    assert decode_response(encode_response(message, form=form, padding=padding)) == message


@given(requests, forms)
def test_a_request_is_no_response(message: Request, form: Form) -> None:
    with pytest.raises(UnexpectedFraming):
        decode_response(encode_request(message, form=form))


@given(responses, forms)
def test_a_response_is_no_request(message: Response, form: Form) -> None:
    with pytest.raises(UnexpectedFraming):
        decode_request(encode_response(message, form=form))


@given(requests, forms, st.binary(min_size=1, max_size=20).filter(lambda tail: tail.strip(b"\0") != b""))
def test_padding_other_than_zeros(message: Request, form: Form, tail: bytes) -> None:
    with pytest.raises(InvalidPadding):
        decode_request(encode_request(message, form=form) + tail)


@given(st.sampled_from((b"", b"\0", b"\1", b"\2", b"\3")), st.binary(max_size=200))
def test_garbage_is_a_message_or_an_error_of_the_tree(start: bytes, rest: bytes) -> None:
    try:
        request = decode_request(start + rest)
    except TacitaError:
        pass
    else:
        assert decode_request(encode_request(request)) == request
    try:
        response = decode_response(start + rest)
    except TacitaError:
        pass
    else:
        assert decode_response(encode_response(response)) == response


@given(responses, forms, st.integers(0, 1 << 16), st.integers(0, 255))
def test_one_changed_byte_is_a_message_or_an_error_of_the_tree(
    message: Response, form: Form, at: int, byte: int
) -> None:
    data = bytearray(encode_response(message, form=form))
    data[at % len(data)] = byte
    try:
        changed = decode_response(bytes(data))
    except TacitaError:
        return
    assert decode_response(encode_response(changed, form=form)) == changed


def test_repeated_fields_keep_number_and_order() -> None:
    cookies = ((b"set-cookie", b"a=1"), (b"vary", b"x"), (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1"))
    message = Response(ResponseHead(200, cookies), b"", cookies)
    for form in ("known", "indeterminate"):
        assert decode_response(encode_response(message, form=form)) == message


def test_sizes_of_every_integer_length() -> None:
    for size in (0, 63, 64, 16_383, 16_384, 70_000):
        for form in ("known", "indeterminate"):
            message = Request(HEAD, bytes(size))
            assert decode_request(encode_request(message, form=form)) == message


def test_what_a_decoder_would_refuse_is_not_encoded() -> None:
    with pytest.raises(InvalidControlData):
        encode_request(Request(RequestHead(b"", b"https", b"example.com", b"/")))
    with pytest.raises(InvalidField):
        encode_request(Request(HEAD, trailers=((b":path", b"/"),)))
    with pytest.raises(InvalidStatus):
        encode_response(Response(ResponseHead(600)))
    with pytest.raises(InvalidStatus):
        encode_response(Response(ResponseHead(200), informational=(Informational(99),)))


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="form"):
        encode_request(Request(HEAD), form="other")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="padding"):
        encode_request(Request(HEAD), padding=-1)
