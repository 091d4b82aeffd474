"""Cancellation travels: when the client's connection goes, the target's goes at once, and nothing is left."""

import asyncio

import pytest
from support import raw_http
from support.gateways import AUTHORITY, BEGUN, Gateway, Place, gateway_running, message, post, token

from tacita import bhttp
from tacita.bhttp import Content, RequestEncoder, ResponseHead
from tacita.ohttp import oneshot

WAYS = pytest.mark.parametrize("lane", [True, False], ids=["lane", "aiohttp"])


class Watched:
    """A target that begins an answer or none, and notes when it was asked and when it was left."""

    def __init__(self, begun: bytes = b"") -> None:
        self.begun = begun
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "content-length" in raw_http.fields(head):
            await raw_http.read_body(reader, head)
        writer.write(self.begun)
        self.asked.set()
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        finally:
            self.left.set()


async def leave(gateway: Gateway, watched: Watched, sealed: bytes) -> None:
    """Send `sealed`, and go when the target has been asked."""
    async with raw_http.connection(gateway.port) as (_, writer):
        writer.write(message(sealed))
        await watched.asked.wait()
    async with asyncio.timeout(5):
        await watched.left.wait()


@WAYS
@pytest.mark.parametrize("begun", [b"", BEGUN + b"5\r\nfirst\r\n"], ids=["silent", "answering"])
async def test_a_one_shot_request_stops_the_target(place: Place, lane: bool, begun: bytes) -> None:
    watched = Watched(begun)
    place.target.answer = watched.answer
    async with gateway_running(place, lane=lane) as gateway:
        plain = bhttp.encode_request(post(b"content", token()))
        await leave(gateway, watched, oneshot.encapsulate_request(gateway.configs[0], plain)[0])
        # What was under way is gone, and the next one is served.
        place.target.answer = None
        assert (await gateway.ask(post(b"x", token()))).content == b"answer"


@WAYS
async def test_a_streamed_answer_stops_the_target(place: Place, lane: bool) -> None:
    watched = Watched(BEGUN + b"5\r\nfirst\r\n")
    place.target.answer = watched.answer
    async with gateway_running(place, lane=lane) as gateway:
        async with gateway.stream() as stream:
            stream.send(bhttp.encode_request(post(b"content", token())), last=True)
            assert isinstance(await stream.next(), ResponseHead)
            assert await stream.next() == Content(b"first")
            assert not watched.left.is_set()
        async with asyncio.timeout(5):
            await watched.left.wait()


@WAYS
async def test_a_request_that_is_still_being_sent_stops_the_target(place: Place, lane: bool) -> None:
    watched = Watched()
    place.target.answer = watched.answer
    async with gateway_running(place, lane=lane) as gateway:
        async with gateway.stream() as stream:
            encoder = RequestEncoder()
            head = post(b"", token()).head
            assert head.authority == AUTHORITY.encode()
            stream.send(encoder.head(head) + encoder.content(b"first"))
            await watched.asked.wait()
            assert not watched.left.is_set()
        async with asyncio.timeout(5):
            await watched.left.wait()
