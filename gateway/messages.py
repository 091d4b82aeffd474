"""The gateway's message resource: encapsulated requests in, encapsulated responses out.

What stands in the clear is decided here: media type, length, pace, and whether the message
can be opened at all. Failures of decapsulation have one constant answer, whichever of key,
suite or ciphertext was wrong; which it was is a counter.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from aiohttp import web

from gateway.config import Limits, TokenBudget
from gateway.errors import OuterError, RequestTooLong, RequestTooSlow, UnsupportedMediaType
from gateway.exchange import Exchange
from gateway.observe import Observations
from gateway.responders import ChunkedResponder, OneShotResponder
from tacita.bhttp import Event, RequestDecoder
from tacita.errors import TacitaError
from tacita.net.abort import break_off
from tacita.ohttp import GatewayKeys, RequestRefused, media, oneshot
from tacita.ohttp.chunked import RequestOpener

__all__ = ["Messages"]


class Messages:
    """Handles POST of encapsulated requests, one-shot and chunked."""

    def __init__(
        self,
        keys: GatewayKeys,
        exchange: Exchange,
        budget: TokenBudget,
        limits: Limits,
        observed: Observations,
    ) -> None:
        self._keys = keys
        self._exchange = exchange
        self._budget = budget
        self._limits = limits
        self._observed = observed

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Serve one message. Raises `OuterError` or `RequestRefused`, which the relay may see."""
        try:
            # `content_type` is the media type without parameters, in lower case.
            if request.content_type == media.CHUNKED_REQUEST:
                return await self._chunked(request)
            if request.content_type == media.REQUEST:
                return await self._one_shot(request)
            raise UnsupportedMediaType("Send an encapsulated request of RFC 9458 or its chunked form.")
        except OuterError as error:
            self._observed.outer(error.status)
            raise
        except RequestRefused as error:
            self._observed.unopened(error)
            raise

    async def _one_shot(self, request: web.Request) -> web.StreamResponse:
        message = b"".join([piece async for piece in self._pieces(request)])
        plaintext, context = oneshot.decapsulate_request(self._keys, message)
        responder = OneShotResponder(context, self._budget.response_bytes)
        async with aclosing(_events(_whole(plaintext))) as events:
            self._observed.inner(await self._exchange.serve(events, responder))
        return responder.response()

    async def _chunked(self, request: web.Request) -> web.StreamResponse:
        opener = RequestOpener(self._keys)
        pieces = self._pieces(request)
        # The key of the answer comes with the message's header, so that has to be there first.
        plaintexts: list[bytes] = []
        while not opener.ready:
            piece = await anext(pieces, None)
            plaintexts += opener.finish() if piece is None else opener.feed(piece)
        responder = ChunkedResponder(request, opener.response_sealer(), self._budget.response_bytes)
        async with aclosing(_events(_opened(plaintexts, opener, pieces))) as events:
            try:
                self._observed.inner(await self._exchange.serve(events, responder))
            except TacitaError:
                if not responder.started:
                    raise
                self._observed.truncated()
                break_off(request)
        return responder.response

    async def _pieces(self, request: web.Request) -> AsyncIterator[bytes]:
        limit = self._budget.request_bytes
        too_long = RequestTooLong("The encapsulated request is longer than one token buys.")
        if request.content_length is not None and request.content_length > limit:
            raise too_long
        while True:
            try:
                async with asyncio.timeout(self._limits.piece_seconds):
                    piece = await request.content.readany()
            except TimeoutError:
                raise RequestTooSlow("The next piece of the request took too long; send it faster.") from None
            if not piece:
                return
            limit -= len(piece)
            if limit < 0:
                raise too_long
            yield piece


async def _opened(
    plaintexts: list[bytes], opener: RequestOpener, pieces: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    for plaintext in plaintexts:
        yield plaintext
    async for piece in pieces:
        for plaintext in opener.feed(piece):
            yield plaintext
    for plaintext in opener.finish():
        yield plaintext


async def _whole(plaintext: bytes) -> AsyncIterator[bytes]:
    yield plaintext


async def _events(plaintexts: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
    decoder = RequestDecoder()
    async for plaintext in plaintexts:
        for event in decoder.feed(plaintext):
            yield event
    for event in decoder.finish():
        yield event
