"""One request after decapsulation: admit it, forward it, carry the answer back.

Everything here happens inside the encapsulation, whatever its outer form: the request
comes as Binary HTTP events, the answer leaves through a `Responder`. The order is: can it
be forwarded at all, Date, origin, token; the token is reserved in one atomic step; then
the target. The token is committed when the target's head arrives (below 500), before
its first byte is sealed; it comes back when the target was not reached or answered 5xx.
Whatever else ends an exchange, a client that goes away among it, leaves the token spent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Protocol, Self

from gateway.admission import Admission, Admitted
from gateway.config import Limits
from gateway.errors import BadInnerMessage, BadTargetAnswer, DateRefused, OuterError, TargetTooSlow
from gateway.fields import check_request, content_length, from_target, http_date, to_target, values
from gateway.targets import Route, Routes
from tacita.bhttp import Content, Event, Fields, InvalidMessage, RequestHead, ResponseHead
from tacita.errors import TacitaError
from tacita.net.upstream import UpstreamResponse, UpstreamUnreachable
from tacita.ohttp import RequestRefused
from tacita.service import problems

__all__ = ["Events", "Exchange", "Responder"]

Events = AsyncIterator[Event]


class Responder(Protocol):
    """Encodes, seals and sends one response: `head`, any number of `content`, `end`."""

    @property
    def started(self) -> bool:
        """Whether anything of the response has left, so that no other can."""

    async def head(self, head: ResponseHead) -> None:
        """Send the head."""

    async def content(self, data: bytes) -> None:
        """Send a piece of the content, of any size; returns when the client can take more."""

    async def end(self) -> None:
        """Send the end; nothing may follow."""


class Exchange:
    """Serves decapsulated requests. One for each process; it keeps nothing between two requests."""

    def __init__(
        self,
        routes: Routes,
        admission: Admission,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._routes = routes
        self._admission = admission
        self._limits = limits
        self._clock = clock

    async def serve(self, events: Events, responder: Responder, deadline: float) -> int:
        """Serve one request; return the status that the client was sent, for the metrics.

        `deadline` is in the event loop's time. Whatever becomes of the exchange, `events` is not
        asked for anything any more when this returns or raises.

        Raises:
            OuterError, RequestRefused: to be answered in the clear, if nothing was sent yet.
            TacitaError: the answer broke off in the middle and must be seen as truncated.
        """
        try:
            async with asyncio.timeout_at(deadline):
                return await self._serve(events, responder)
        except (OuterError, RequestRefused):
            raise
        except TimeoutError:
            return await self._refuse(
                TargetTooSlow("The exchange took longer than one token buys."), responder
            )
        except TacitaError as error:
            return await self._refuse(error, responder)

    async def _refuse(self, error: TacitaError, responder: Responder) -> int:
        if responder.started:
            raise error
        problem = problems.problem(error)
        fields = [(name.lower().encode(), value.encode()) for name, value in problem.fields.items()]
        fields.append((b"content-type", problems.CONTENT_TYPE.encode()))
        await responder.head(ResponseHead(problem.status, tuple(fields)))
        await responder.content(problem.body)
        await responder.end()
        return problem.status

    async def _serve(self, events: Events, responder: Responder) -> int:
        received = await anext(events)
        if not isinstance(received, RequestHead):
            raise BadInnerMessage("The message does not begin with a request.")
        head = check_request(received)
        self._check_date(head.fields)
        route = self._routes.find(head)
        body = await _body(events, content_length(head.fields))
        admitted = await self._admission.admit(head.fields, costs_token=route.costs_token)
        return await self._forward(head, admitted, body, route, responder)

    def _check_date(self, fields: Fields) -> None:
        """Refuse a Date outside the window (RFC 9458, Section 6.5.2). A request without one is taken:
        its token stops a replay."""
        for value in values(fields, b"date"):
            now = self._clock()
            if abs(now - http_date(value)) > self._limits.date_window_seconds:
                raise DateRefused(now)

    async def _forward(
        self,
        head: RequestHead,
        admitted: Admitted,
        body: AsyncIterator[bytes] | None,
        route: Route,
        responder: Responder,
    ) -> int:
        fields = to_target(head, admitted.fields)
        try:
            async with route.upstream.request(
                head.method.decode("ascii"), head.path.decode("ascii"), fields, body
            ) as response:
                if 500 <= response.status < 600:
                    await admitted.release()
                else:
                    await admitted.commit()
                await _answer(response, responder)
                return response.status
        except UpstreamUnreachable:
            await admitted.release()
            raise


async def _body(events: Events, declared: int | None) -> AsyncIterator[bytes] | None:
    """Return the content as it arrives, or None where there is none; trailers are dropped.

    Waiting for the first piece is what tells the two apart, and a request without content must
    not reach the target with a chunked body. Nor must one that turns out invalid at its end.
    """
    async for event in events:
        if isinstance(event, Content):
            return _Body(event, events, declared)
    if declared:
        raise _other_length()
    return None


class _Body(AsyncIterator[bytes]):
    """Content on its way to the target. No generator: the HTTP client's task may be inside it to the end."""

    def __init__(self, first: Content, events: Events, declared: int | None) -> None:
        self._first: Content | None = first
        self._events = events
        self._declared = declared
        self._total = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return self._counted(first.data)
        async for event in self._events:
            if isinstance(event, Content):
                return self._counted(event.data)
        if self._declared not in (None, self._total):
            raise _other_length()
        raise StopAsyncIteration

    def _counted(self, data: bytes) -> bytes:
        self._total += len(data)
        if self._declared is not None and self._total > self._declared:
            raise _other_length()
        return data


def _other_length() -> BadInnerMessage:
    return BadInnerMessage("The content is shorter or longer than the Content-Length of the request.")


async def _answer(response: UpstreamResponse, responder: Responder) -> None:
    try:
        await responder.head(ResponseHead(response.status, from_target(response.fields)))
    except InvalidMessage:
        raise BadTargetAnswer("The target's answer is not one that HTTP allows.") from None
    async with aclosing(response.pieces()) as pieces:
        async for piece in pieces:
            await responder.content(piece)
    await responder.end()
