"""The events of a request as they come in: joined where pieces are small, and nothing before it is valid."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bhttp_strategies import cut, forms, merged, requests, run

from gateway.inbound import WholeEvents
from tacita import bhttp
from tacita.bhttp import Content, End, Event, Form, Request, RequestDecoder, RequestHead
from tacita.errors import TacitaError

HEAD = RequestHead(b"POST", b"https", b"a.example", b"/")


async def collected(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


async def test_a_whole_message_in_single_bytes_has_few_events() -> None:
    encoder = bhttp.RequestEncoder()
    plain = encoder.head(HEAD) + b"\1x" * 100_000 + encoder.end()
    events = await collected(WholeEvents(plain))
    assert merged(events) == [HEAD, Content(b"x" * 100_000), End()]
    assert len(events) < 20


@pytest.mark.parametrize("tail", [b"\1", b"\0\0\1"])
async def test_nothing_of_a_message_that_is_invalid_at_its_end_is_given_out(tail: bytes) -> None:
    plain = bhttp.encode_request(Request(HEAD, b"content")) + tail
    events = WholeEvents(plain)
    with pytest.raises(TacitaError):
        await anext(events)


async def test_a_whole_message_that_is_empty_is_an_error_of_the_tree() -> None:
    with pytest.raises(TacitaError):
        await anext(WholeEvents(b""))


@given(requests, forms, st.integers(0, 50_000))
async def test_a_whole_message_means_what_its_decoder_says(message: Request, form: Form, size: int) -> None:
    plain = bhttp.encode_request(Request(message.head, bytes(size), message.trailers), form=form, padding=7)
    expected = run(RequestDecoder(), cut(plain, []))
    assert merged(await collected(WholeEvents(plain))) == expected
