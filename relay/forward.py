"""One exchange: a client's encapsulated request to the gateway, its answer back (RFC 9458, section 5).

Both bodies are passed on piece by piece as they arrive, and a side that does not read
stops the other from being read: an exchange holds a few socket buffers, never a body. Only
a short one-shot request is gathered first, so that it always goes on as one piece.

Once the answer's head is out, nothing can be said any more but by breaking off: the
connection is closed without the end of the message, so that a cut answer never looks
whole. A client that goes away cancels the handler, which closes the leg to the gateway.

Where the gateway's policy is to cover traffic, the beginning of each body waits before it goes on, and
an exchange always has a task (`relay.cover`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from relay.budget import Budget
from relay.config import GatewayConfig, Limits, split_url
from relay.cover import Cover, Resumed, beginning
from relay.direct import Asked, DirectUpstream
from relay.errors import (
    AnswerTooLong,
    CoverFull,
    ExchangeTooLong,
    IncrementalRefused,
    NoContent,
    OverBudget,
    RelayError,
    RequestTooLong,
)
from relay.headers import Kind, is_incremental, kind_of, to_client, to_gateway
from relay.meters import CLIENT_GONE, Meters, result_of
from tacita.errors import TacitaError
from tacita.net.message import Fields, Request
from tacita.net.upstream import UpstreamResponse

__all__ = ["Forwarder"]


class _Plan(NamedTuple):
    """What follows from a request's head: its kind, and the head with which it goes on."""

    forwarder: "Forwarder"
    kind: Kind
    head: bytes


class Forwarder:
    """Handles `POST /{name}` of the gateway of `config`, which is at the other end of `upstream`.

    `credentials` are fields that are added to what goes there.
    """

    def __init__(
        self, upstream: DirectUpstream, config: GatewayConfig, credentials: Fields, meters: Meters
    ) -> None:
        self.under_way = 0
        """How many exchanges have begun and not ended."""
        self._gathering = 0
        self._upstream = upstream
        _, self._path = split_url(config.url)
        self._credentials = credentials
        self._refuses_incremental = config.incremental == "refuse"
        self._limits = limits = config.limits
        self._meters = meters
        self._budget = Budget(config.budget, limits.connections, time.monotonic)
        self._cover = Cover(config.cover) if config.cover.policy != "none" else None
        # Without a task nothing but the wait for the answer's head is bounded, by `gateway_piece_seconds`.
        self._direct = limits.exchange_seconds >= limits.gateway_piece_seconds

    def handle(self, request: Request) -> Coroutine[Any, Any, None] | None:
        """Answer `request`: without a task if it is here whole and a connection to the gateway is free."""
        if not self._budget.admits(self.under_way):
            self._meters.exchange(OverBudget.result, 0, 0, 0.0)
            raise OverBudget(_OVER_BUDGET)
        request.piece_seconds = self._limits.piece_seconds
        exchange = _Exchange(request, self._limits)
        if self._cover is not None:
            return self._counted(exchange, partial(self._ask_covered, cover=self._cover))
        if not (self._direct and exchange.arrived()):
            return self._counted(exchange, self._ask)
        plan: _Plan | None = request.plan
        # Another's, if the gateway has become another one since.
        if plan is None or plan.forwarder is not self:
            try:
                kind, fields = self._judged(request)
            except RelayError:
                return self._counted(exchange, self._ask)
            head = self._upstream.head(self._path, fields, exchange.whole)
            plan = request.plan = _Plan(self, kind, head)
        exchange.kind, head = plan.kind, plan.head
        asked = self._upstream.ask(head, exchange.whole)
        if asked is None:
            return self._counted(exchange, self._ask)
        self.under_way += 1
        exchange.asked = asked
        request.on_gone = partial(self._gone, exchange)
        asked.when_arrived(partial(self._arrived, exchange))
        return None

    def _arrived(self, exchange: "_Exchange", _: object) -> None:
        """Give the answer if it is here whole, or go on in a task."""
        asked = exchange.asked
        if asked.over:
            return
        answer = asked.answer
        if answer.ended:
            # It holds the exchange, which holds the request: neither is to wait for the garbage collector.
            exchange.request.on_gone = None
            try:
                fields, length = to_client(answer, exchange.kind)
                whole = exchange.all_of(answer, length)
            except RelayError as error:
                asked.finish()
                self._count(exchange, error.result)
                exchange.request.fail(error)
                return
            if whole is not None:
                asked.finish()
                exchange.request.send(answer.status, fields, whole)
                self._count(exchange, _result(answer))
                return
        # Until the task has begun, a client that goes away is still our business.
        exchange.request.on_gone = partial(self._gone, exchange)
        exchange.request.go_on(self._counted(exchange, self._give))

    def _gone(self, exchange: "_Exchange") -> None:
        exchange.asked.finish()
        self._count(exchange, CLIENT_GONE)

    def _count(self, exchange: "_Exchange", result: str) -> None:
        self.under_way -= 1
        self._budget.spend(exchange.taken + exchange.given)
        self._meters.exchange(result, exchange.taken, exchange.given, exchange.seconds())

    async def _counted(
        self, exchange: "_Exchange", run: Callable[["_Exchange"], Awaitable[UpstreamResponse]]
    ) -> None:
        """Run the exchange. Raises leaves of `RelayError`, `MessageError` and `UpstreamError`."""
        request = exchange.request
        result = "defect"
        try:
            async with asyncio.timeout(self._limits.exchange_seconds) as total:
                result = _result(await run(exchange))
        except asyncio.CancelledError:
            result = CLIENT_GONE
            raise
        except (TacitaError, TimeoutError) as caught:
            if isinstance(caught, TimeoutError) and not total.expired():
                raise
            error = caught if isinstance(caught, TacitaError) else ExchangeTooLong(_TOO_LONG)
            result = result_of(error)
            if not request.started:
                raise error from None
            request.break_off(linger_seconds=self._limits.piece_seconds)
        finally:
            self._count(exchange, result)

    def _judged(self, request: Request) -> tuple[Kind, Fields]:
        """Return the kind of `request` and the fields it goes on with. Raises leaves of `RelayError`."""
        kind = kind_of(request)
        if self._refuses_incremental and is_incremental(request, kind):
            raise IncrementalRefused("The relay passes only whole messages on to this gateway.")
        return kind, to_gateway(request, kind, self._credentials)

    def _enter(self) -> None:
        """Begin an exchange in its task. Raises `OverBudget`: others may have begun meanwhile."""
        self.under_way += 1
        if self._budget.is_over(self.under_way):
            raise OverBudget(_OVER_BUDGET)

    async def _ask(self, exchange: "_Exchange") -> UpstreamResponse:
        self._enter()
        kind, fields = self._judged(exchange.request)
        exchange.refuse_announced_length()
        body = await self._body(exchange, kind)
        async with self._upstream.request("POST", self._path, fields, body) as answer:
            await exchange.give(answer, *to_client(answer, kind))
        return answer

    async def _body(self, exchange: "_Exchange", kind: Kind) -> bytes | AsyncIterator[bytes]:
        """Return the request's content, as one piece if it is neither long nor to be passed on as it comes.

        Otherwise the gateway would see how a client, or the network before it, cuts what it sends.
        """
        if is_incremental(exchange.request, kind) or self._gathering >= _GATHERING:
            return exchange.body()
        self._gathering += 1
        try:
            return await exchange.covered_body(whole=True)
        finally:
            self._gathering -= 1

    async def _ask_covered(self, exchange: "_Exchange", cover: Cover) -> UpstreamResponse:
        self._enter()
        request = exchange.request
        kind, fields = self._judged(request)
        if self.under_way > cover.exchanges:
            raise CoverFull("As many messages are waiting as the relay holds; try again later.")
        exchange.refuse_announced_length()
        whole = not is_incremental(request, kind)
        body = await exchange.covered_body(whole=whole)
        with cover.exchange() as way:
            await way.out()
            try:
                async with self._upstream.request("POST", self._path, fields, body) as answer:
                    fields, length = to_client(answer, kind)
                    exchange.refuse_long_answer(length)
                    held, ended = await beginning(partial(exchange.piece_of, answer), whole=whole)
                    if not ended:
                        await way.back()
                        await exchange.stream(answer, fields, length, held)
                        return answer
            except TacitaError:
                if not request.started:
                    # When it failed could be seen behind the relay.
                    await way.back()
                raise
            # The connection to the gateway is free for others meanwhile.
            await way.back()
        if length is not None:
            await request.answer(answer.status, fields, held)
        else:
            await exchange.stream(answer, fields, length, held)
        return answer

    async def _give(self, exchange: "_Exchange") -> UpstreamResponse:
        asked = exchange.asked
        exchange.request.on_gone = None
        try:
            await asked.answer.headed()
            await exchange.give(asked.answer, *to_client(asked.answer, exchange.kind))
        finally:
            asked.finish()
        return asked.answer


_GATHERING = 512
"""Requests that are gathered at a time: 32 MiB at the most. Further ones are passed on as they come."""

_OVER_BUDGET = "The relay has as much to do for this gateway as it takes on; try again later."

_TOO_LONG = "The exchange took longer than the relay allows."


def _result(answer: UpstreamResponse) -> str:
    if answer.status >= 500:
        return "gateway_failed"
    return "gateway_refused" if answer.status >= 400 else "answered"


class _Exchange:
    """The client's side of an exchange, with what has crossed so far."""

    __slots__ = ("_begun", "_clock", "_limits", "asked", "given", "kind", "request", "taken", "whole")

    asked: Asked
    kind: Kind

    def __init__(self, request: Request, limits: Limits) -> None:
        self.request = request
        self.taken = 0
        self.given = 0
        self.whole = b""
        """The request's content, if it is here."""
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()

    def seconds(self) -> float:
        """Return how long it has taken so far."""
        return self._clock() - self._begun

    def refuse_announced_length(self) -> None:
        """Raise `RequestTooLong` before anything is read."""
        if (self.request.length or 0) > self._limits.request_bytes:
            raise RequestTooLong("The encapsulated request is longer than the relay takes.")

    def arrived(self) -> bool:
        """Take the request's content if all of it is here and its length is known, and say so."""
        length = self.request.length
        if self.whole or not length or length > self._limits.request_bytes:
            return bool(self.whole)
        self.whole = self.request.content() or b""
        self.taken = len(self.whole)
        return bool(self.whole)

    def body(self) -> bytes | AsyncIterator[bytes]:
        """Return the request's content, in pieces if it is not here yet."""
        return self.whole if self.arrived() else Resumed(b"", self._piece)

    async def covered_body(self, *, whole: bool) -> bytes | AsyncIterator[bytes]:
        """Return the request's content when as much of it is here as is to wait. Raises as `_piece`."""
        if self.arrived():
            return self.whole
        held, ended = await beginning(self._piece, whole=whole)
        if ended and not held:
            raise NoContent("Send the encapsulated request as the content.")
        # As if it had come together, if that is possible.
        together = ended and (whole or self.request.length is not None)
        return held if together else Resumed(held, self._piece)

    async def _piece(self) -> bytes:
        """Return the next piece of the request's content, empty at the end.

        Raises:
            RequestTooLong; and as `Request.read`.
        """
        piece = await self.request.read()
        self.taken += len(piece)
        if self.taken > self._limits.request_bytes:
            raise RequestTooLong("The encapsulated request is longer than the relay takes.")
        return piece

    def refuse_long_answer(self, length: int | None) -> None:
        """Raise `AnswerTooLong` before anything of the answer has been read."""
        if (length or 0) > self._limits.response_bytes:
            raise AnswerTooLong("The gateway's answer is longer than the relay passes on.")

    def all_of(self, answer: UpstreamResponse, length: int | None) -> bytes | None:
        """Return the body of `answer` if it has a length and is here whole. Raises `AnswerTooLong`."""
        self.refuse_long_answer(length)
        whole = answer.arrived() if length is not None else None
        self.given = len(whole) if whole is not None else 0
        return whole

    async def give(self, answer: UpstreamResponse, fields: Fields, length: int | None) -> None:
        """Send the gateway's answer to the client under `fields`, whole.

        Raises:
            AnswerTooLong; and as `UpstreamResponse.read` and `Request.write`.
        """
        whole = self.all_of(answer, length)
        if whole is not None:
            await self.request.answer(answer.status, fields, whole)
        else:
            await self.stream(answer, fields, length)

    async def stream(
        self, answer: UpstreamResponse, fields: Fields, length: int | None, held: bytes = b""
    ) -> None:
        """Send the answer as it comes, after what was `held` of it. Raises as `give`."""
        request = self.request
        await request.begin(answer.status, fields, length)
        if held:
            await request.write(held)
        while piece := await self.piece_of(answer):
            await request.write(piece)
        await request.end()

    async def piece_of(self, answer: UpstreamResponse) -> bytes:
        """Return the next piece of the answer, empty at its end. Raises as `give`."""
        piece = await answer.read()
        self.given += len(piece)
        if self.given > self._limits.response_bytes:
            raise AnswerTooLong("The gateway's answer is longer than the relay passes on.")
        return piece
