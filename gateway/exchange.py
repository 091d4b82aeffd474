"""One request after decapsulation: admit it, forward it, carry the answer back.

Everything here happens inside the encapsulation, whatever its outer form: the request
comes as Binary HTTP events, the answer leaves through a `Responder`. The order is: can it
be forwarded at all, Date, origin, replay, token; the token is reserved in one atomic step;
then the target. The token is committed when the target's head arrives (below 500), before
its first byte is sealed; it comes back when the target was not reached or answered 5xx.
Whatever else ends an exchange, a client that goes away among it, leaves the token spent.
"""

from collections.abc import AsyncIterator, Callable
from typing import Protocol, Self

from gateway.admission import Admission, Admitted
from gateway.config import Limits
from gateway.errors import BadInnerMessage, BadTargetAnswer, DateRefused, OuterError, TargetTooSlow
from gateway.fields import (
    as_trailers,
    check_request,
    content_length,
    end_to_end,
    from_target,
    http_date,
    to_target,
    values,
)
from gateway.replay import Envelope, Replays
from gateway.targets import Route, Routes
from tacita.bhttp import (
    MAX_INFORMATIONAL,
    Content,
    Event,
    Fields,
    Informational,
    InvalidMessage,
    RequestHead,
    ResponseHead,
    Trailers,
)
from tacita.errors import TacitaError
from tacita.net.deadlines import Deadlines
from tacita.net.message import MessageError
from tacita.net.upstream import UpstreamResponse, UpstreamUnreachable
from tacita.ohttp import RequestRefused
from tacita.service import problems

__all__ = ["Events", "Exchange", "Responder"]

_CONTINUE = 100
"""It answers an expectation, and those end here."""


class Events(Protocol):
    """The events of one request, as an async iterator."""

    def __aiter__(self) -> Self:
        """Return itself."""

    async def __anext__(self) -> Event:
        """Return the next event. Raises `StopAsyncIteration` behind the last."""

    def whole(self) -> tuple[bytes, Fields] | None:
        """Return content and trailers if they are all there, behind the head; None: iterate."""


class Responder(Protocol):
    """Encodes, seals and sends one response: some `informational`, `head`, any number of `content`, `end`."""

    @property
    def started(self) -> bool:
        """Whether anything of the response has left, so that no other can."""

    def bound(self, limit: int) -> None:
        """Let the answer have at most `limit` bytes, as encapsulated, if that is less than before."""

    async def informational(self, message: Informational) -> None:
        """Send what comes before the head."""

    async def head(self, head: ResponseHead) -> None:
        """Send the head."""

    async def content(self, data: bytes) -> None:
        """Send a piece of the content, of any size; returns when the client can take more."""

    async def end(self, trailers: Fields) -> None:
        """Send the trailers and the end; nothing may follow."""


class Exchange:
    """Serves decapsulated requests. One for each process; it keeps nothing between two requests."""

    def __init__(
        self,
        routes: Routes,
        admission: Admission,
        replays: Replays,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._routes = routes
        self._admission = admission
        self._replays = replays
        self._limits = limits
        self._clock = clock
        self._deadlines = Deadlines()

    async def serve(self, events: Events, envelope: Envelope, responder: Responder, deadline: float) -> int:
        """Serve one request; return the status that the client was sent, for the metrics.

        `envelope` is what the request came in. `deadline` is in the event loop's time. Whatever becomes of
        the exchange, `events` is not asked for anything any more when this returns or raises.

        Raises:
            OuterError, MessageError, RequestRefused: to be answered in the clear, if nothing was sent yet.
            TacitaError: the answer broke off in the middle and must be seen as truncated.
        """
        try:
            with self._deadlines.until(deadline):
                return await self._serve(events, envelope, responder)
        except (OuterError, MessageError, RequestRefused):
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
        await responder.end(())
        return problem.status

    async def _serve(self, events: Events, envelope: Envelope, responder: Responder) -> int:
        received = await anext(events)
        if not isinstance(received, RequestHead):
            raise BadInnerMessage("The message does not begin with a request.")
        head = check_request(received)
        # Most requests have neither a Date nor a Content-Length.
        given = dict(head.fields)
        date = self._date(head.fields) if b"date" in given else None
        once = self._replays.of(envelope, date)
        route = self._routes.find(head)
        responder.bound(route.response_bytes)
        declared = content_length(head.fields) if b"content-length" in given else None
        body = await _body(events, declared)
        admitted = await self._admission.admit(head.fields, once, costs_token=route.costs_token)
        return await self._forward(head, admitted, body, route, responder)

    def _date(self, fields: Fields) -> float | None:
        """Return the earliest Date, as UNIX time, or None where there is none.

        Raises:
            DateRefused: one is outside the window (RFC 9458, Section 6.5.2).
        """
        dates = [http_date(value) for value in values(fields, b"date")]
        now = self._clock()
        if any(abs(now - date) > self._limits.date_window_seconds for date in dates):
            raise DateRefused(now)
        return min(dates, default=None)

    async def _forward(
        self,
        head: RequestHead,
        admitted: Admitted,
        body: "bytes | _Body | None",
        route: Route,
        responder: Responder,
    ) -> int:
        fields = to_target(head, admitted.fields)
        try:
            async with route.backends.request(
                head.method.decode("ascii"),
                head.path.decode("ascii"),
                fields,
                body,
                trailers=None if body is None or isinstance(body, bytes) else body.trailers,
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


async def _body(events: Events, declared: int | None) -> "bytes | _Body | None":
    """Return the content, whole or as it arrives, or None where there is none.

    Waiting for the first piece is what tells the two apart, and a request without content must
    not reach the target with a chunked body. Nor must one that turns out invalid at its end.
    """
    whole = events.whole()
    # A length and trailers do not go together (RFC 9112, Section 7.1.2).
    if whole is not None and (declared is not None or not whole[1]):
        content = whole[0]
        if declared not in {None, len(content)}:
            raise _other_length()
        return content or None
    if whole is not None:
        return _Body(whole[0], None, declared, whole[1])
    async for event in events:
        if isinstance(event, Content):
            return _Body(event.data, events, declared)
    if declared:
        raise _other_length()
    return None


class _Body(AsyncIterator[bytes]):
    """Content on its way to the target. No generator: the HTTP client's task may be inside it to the end."""

    def __init__(
        self, first: bytes, events: Events | None, declared: int | None, trailers: Fields = ()
    ) -> None:
        self._first: bytes | None = first
        self._events = events
        self._declared = declared
        self._trailers = trailers
        self._total = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return self._counted(first)
        if self._events is not None:
            async for event in self._events:
                if isinstance(event, Content):
                    return self._counted(event.data)
                if isinstance(event, Trailers):
                    self._trailers = event.fields
        if self._declared not in {None, self._total}:
            raise _other_length()
        raise StopAsyncIteration

    def trailers(self) -> Fields:
        """Return the trailers that may go on, once the content has ended."""
        return as_trailers(self._trailers)

    def _counted(self, data: bytes) -> bytes:
        self._total += len(data)
        if self._declared is not None and self._total > self._declared:
            raise _other_length()
        return data


def _other_length() -> BadInnerMessage:
    return BadInnerMessage("The content is shorter or longer than the Content-Length of the request.")


async def _answer(response: UpstreamResponse, responder: Responder) -> None:
    try:
        head = ResponseHead(response.status, from_target(response.fields))
        early = [one for one in response.informational if one[0] != _CONTINUE]
        for status, fields in early[:MAX_INFORMATIONAL]:
            await responder.informational(Informational(status, end_to_end(fields)))
        await responder.head(head)
        whole = response.arrived()
        if whole is not None:
            await responder.content(whole)
        else:
            while piece := await response.read():
                await responder.content(piece)
        await responder.end(as_trailers(response.trailers))
    except InvalidMessage:
        raise BadTargetAnswer("The target's answer is not one that HTTP allows.") from None
