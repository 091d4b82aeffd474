"""The gateway's message resource: encapsulated requests in, encapsulated responses out.

What stands in the clear is decided here: media type, length, pace, and whether the message
can be opened at all. Failures of decapsulation have one constant answer, whichever of key,
suite or ciphertext was wrong; which it was is a counter.
"""

import asyncio
from collections.abc import Callable

from gateway.config import Limits, TokenBudget
from gateway.errors import OuterError, RequestTooSlow, TooBusy
from gateway.exchange import Exchange
from gateway.inbound import Body, ChunkedEvents, WholeEvents, is_chunked
from gateway.observe import Observations
from gateway.replay import ANONYMOUS, Envelope
from gateway.responders import ChunkedResponder, OneShotResponder
from tacita.errors import TacitaError
from tacita.net.message import MessageError, ReaderTooSlow, Request
from tacita.ohttp import GatewayKeys, RequestRefused, oneshot
from tacita.ohttp.chunked import RequestOpener

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
        self._loop = asyncio.get_running_loop()
        self._under_way = 0

    async def post(self, request: Request, *, relay: str = ANONYMOUS) -> None:
        """Serve one message, which `relay` has brought, by a label of the front's.

        Raises:
            OuterError, MessageError, RequestRefused: to be answered in the clear.
        """
        try:
            if self._under_way >= self._limits.exchanges:
                raise TooBusy("The gateway has as much to do as it takes; try again later.")
            self._under_way += 1
            try:
                await self._serve(request, relay)
            finally:
                self._under_way -= 1
        except (OuterError, MessageError) as error:
            self._observed.outer(error)
            raise
        except RequestRefused as error:
            self._observed.unopened(error)
            raise

    async def _serve(self, request: Request, relay: str) -> None:
        # What one token buys in time begins with the message's first byte, not with its last.
        deadline = self._loop.time() + self._budget.seconds
        request.piece_seconds = self._limits.piece_seconds
        chunked = request.plan
        if chunked is None:
            chunked = request.plan = is_chunked(request)
        body = Body(request, limit=self._budget.request_bytes)
        await (self._chunked if chunked else self._one_shot)(request, body, relay, deadline)

    async def _one_shot(self, request: Request, body: Body, relay: str, deadline: float) -> None:
        message = body.arrived()
        if message is None:
            message = await _in_time(body, deadline)
        plaintext, context = oneshot.decapsulate_request(self._keys(), message)
        envelope = Envelope(context.key_id, context.enc, relay)
        responder = OneShotResponder(request, context, self._budget.response_bytes)
        events = WholeEvents(plaintext)
        self._observed.inner(await self._exchange.serve(events, envelope, responder, deadline))
        if not responder.long:
            await responder.send()
            return
        try:
            async with asyncio.timeout(self._budget.seconds):
                await responder.send()
        except (TimeoutError, ReaderTooSlow):
            self._observed.truncated()
            request.break_off(linger_seconds=0)

    async def _chunked(self, request: Request, body: Body, relay: str, deadline: float) -> None:
        opener = RequestOpener(self._keys())
        plaintexts = await _begin(opener, body, deadline)
        responder = ChunkedResponder(request, opener.response_sealer(), self._budget.response_bytes)
        events = ChunkedEvents(opener, body, plaintexts)
        envelope = Envelope(opener.key_id, opener.enc, relay)
        try:
            self._observed.inner(await self._exchange.serve(events, envelope, responder, deadline))
        except TacitaError:
            if not responder.started:
                raise
            self._observed.truncated()
            request.break_off(linger_seconds=self._limits.piece_seconds)


async def _in_time(body: Body, deadline: float) -> bytes:
    """Return all of `body`, in the time that one token buys."""
    try:
        async with asyncio.timeout_at(deadline):
            return await body.whole()
    except TimeoutError:
        raise _too_slow() from None


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
