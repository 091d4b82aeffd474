"""Reading a known-length request in one pass: never anything else than what the state machine says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bhttp_strategies import forms, requests

from tacita import bhttp
from tacita.bhttp import Content, Form, Request, RequestDecoder, RequestHead, Trailers
from tacita.bhttp.direct import known_request
from tacita.errors import TacitaError

HEAD = RequestHead(b"POST", b"https", b"a.example", b"/", ((b"x-a", b"1"),))


def by_machine(data: bytes) -> Request | None:
    """Return what the decoder says; None: an error of the tree."""
    decoder = RequestDecoder()
    try:
        head, *rest = decoder.feed(data) + decoder.finish()
    except TacitaError:
        return None
    assert isinstance(head, RequestHead)
    content = b"".join([event.data for event in rest if isinstance(event, Content)])
    trailers = [event.fields for event in rest if isinstance(event, Trailers)]
    return Request(head, content, trailers[0] if trailers else ())


def agree(data: bytes) -> None:
    found = known_request(data)
    assert found is None or found == by_machine(data)


@given(requests, forms, st.integers(0, 9))
def test_what_is_read_is_what_the_machine_reads(message: Request, form: Form, padding: int) -> None:
    data = bhttp.encode_request(message, form=form, padding=padding)
    agree(data)
    if form == "known":
        assert known_request(data) == message


@given(requests, st.data())
def test_so_is_what_was_cut_or_changed(message: Request, data: st.DataObject) -> None:
    encoded = bytearray(bhttp.encode_request(message, padding=3))
    place = data.draw(st.integers(0, len(encoded) - 1))
    agree(bytes(encoded[:place]))
    encoded[place] = data.draw(st.integers(0, 255))
    agree(bytes(encoded))


@given(st.binary(max_size=200))
def test_so_is_anything(data: bytes) -> None:
    agree(data)
    agree(b"\0" + data)


@pytest.mark.parametrize("size", [16_000, 65_000, 70_000, 1_000_000])
def test_so_is_what_is_long(size: int) -> None:
    agree(bhttp.encode_request(Request(HEAD, bytes(size))))
    for part in (
        RequestHead(b"POST", b"https", b"a.example", b"/" + b"p" * size),
        RequestHead(b"POST", b"https", b"a.example", b"/", ((b"x", b"v" * size),)),
        RequestHead(b"POST", b"https", b"a.example", b"/", ((b"x", b""),) * (size // 30)),
    ):
        agree(bhttp.encode_request(Request(part)))
