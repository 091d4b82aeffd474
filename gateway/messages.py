"""The gateway's message resource: encapsulated requests in, encapsulated responses out.

What stands in the clear is decided here: media type, length, pace, and whether the message
can be opened at all. Failures of decapsulation have one constant answer, whichever of key,
suite or ciphertext was wrong; which it was is a counter.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from gateway.config import Limits, TokenBudget
from gateway.errors import OuterError, RequestTooSlow, TooBusy
from gateway.exchange import Exchange
from gateway.inbound import Body, ChunkedEvents, WholeEvents, is_chunked
from gateway.observe import Observations
from gateway.responders import ChunkedResponder, OneShotResponder
from tacita.errors import TacitaError
from tacita.net.abort import break_off
from tacita.ohttp import GatewayKeys, RequestRefused, oneshot
from tacita.ohttp.chunked import RequestOpener
from tacita.ohttp.oneshot import GatewayContext

__all__ = ["Messages"]


class Messages:
    """Handles POST of encapsulated requests, one-shot and chunked.

    `keys` gives the set of the moment. A chunked message keeps the one that it began with.
    """

    def __init__(
        self,
        keys: Callable[[], GatewayKeys],
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
        self._under_way = 0

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Serve one message. Raises `OuterError` or `RequestRefused`, which the relay may see."""
        try:
            if self._under_way >= self._limits.exchanges:
                raise TooBusy("The gateway has as much to do as it takes; try again later.")
            self._under_way += 1
            try:
                return await self._serve(request)
            finally:
                self._under_way -= 1
        except OuterError as error:
            self._observed.outer(error)
            raise
        except RequestRefused as error:
            self._observed.unopened(error)
            raise

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        # What one token buys in time begins with the message's first byte, not with its last.
        deadline = asyncio.get_running_loop().time() + self._budget.seconds
        chunked = is_chunked(request)
        body = Body(request, limit=self._budget.request_bytes, piece_seconds=self._limits.piece_seconds)
        return await (self._chunked if chunked else self._one_shot)(request, body, deadline)

    async def _one_shot(self, request: web.Request, body: Body, deadline: float) -> web.StreamResponse:
        events, context = await self._open(body, deadline)
        responder = OneShotResponder(request, context, self._budget.response_bytes)
        self._observed.inner(await self._exchange.serve(events, responder, deadline))
        try:
            async with asyncio.timeout(self._budget.seconds):
                return await responder.send()
        except TimeoutError:
            self._observed.truncated()
            break_off(request, linger_seconds=0)
            return responder.response

    async def _open(self, body: Body, deadline: float) -> tuple[WholeEvents, GatewayContext]:
        try:
            async with asyncio.timeout_at(deadline):
                message = await body.whole()
        except TimeoutError:
            raise _too_slow() from None
        plaintext, context = oneshot.decapsulate_request(self._keys(), message)
        return WholeEvents(plaintext), context

    async def _chunked(self, request: web.Request, body: Body, deadline: float) -> web.StreamResponse:
        opener = RequestOpener(self._keys())
        plaintexts = await _begin(opener, body, deadline)
        responder = ChunkedResponder(request, opener.response_sealer(), self._budget.response_bytes)
        events = ChunkedEvents(opener, body, plaintexts)
        try:
            self._observed.inner(await self._exchange.serve(events, responder, deadline))
        except TacitaError:
            if not responder.started:
                raise
            self._observed.truncated()
            break_off(request, linger_seconds=self._limits.piece_seconds)
        return responder.response


async def _begin(opener: RequestOpener, body: Body, deadline: float) -> list[bytes]:
    """Read as far as the key of the answer, which comes with the message's header; return what it opened."""
    plaintexts: list[bytes] = []
    try:
        async with asyncio.timeout_at(deadline):
            while not opener.ready:
                piece = await body.read()
                plaintexts += opener.feed(piece) if piece else opener.finish()
    except TimeoutError:
        raise _too_slow() from None
    return plaintexts


def _too_slow() -> RequestTooSlow:
    return RequestTooSlow("The request took longer than one token buys; send it faster.")
