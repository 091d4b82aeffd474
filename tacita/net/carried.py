"""A request that came in through aiohttp, as a handler of `tacita.net.message` sees it.

    app.router.add_post(path, carried(handler))

This is the way of what the fast lane does not take: HTTP/1.0, expectations, connections that began with
something else. What it lets through is as strict as there (`check_fields`, origin-form only).
Answers to what the handler raises are the application's middleware's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware
from multidict import CIMultiDict

from tacita.net import abort
from tacita.net.gate import Visit
from tacita.net.lane.heads import check_fields, refusal
from tacita.net.message import (
    BodyMalformed,
    Field,
    Fields,
    Handler,
    PeerGone,
    ReaderTooSlow,
    SenderTooSlow,
)

__all__ = ["CarriedRequest", "carried", "gated"]

_PIECE_SECONDS = 60.0
"""nginx: client_body_timeout and send_timeout, as on the fast lane."""


def carried(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return an aiohttp handler that serves as `handler` does."""

    async def handle(request: web.Request) -> web.StreamResponse:
        message = CarriedRequest(request)
        try:
            work = handler(message) or await message.sent()
            if work is not None:
                await work
        except asyncio.CancelledError:
            message.abandon()
            raise
        except Exception:
            if message.response is None:
                raise
            # The answer is under way: it has to be seen as cut, and there is nothing else to say.
            message.break_off(linger_seconds=message.piece_seconds)
        if message.response is None:
            raise RuntimeError("a handler returned without an answer")
        if not message.complete:
            message.break_off(linger_seconds=message.piece_seconds)
        return message.response

    return handle


def gated(visit_of: Callable[[asyncio.BaseTransport | None], Visit | None]) -> Middleware:
    """Return the middleware that keeps requests to what the visit of their connection lets in."""

    @web.middleware
    async def within(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        visit = visit_of(request.transport)
        if visit is None:
            return await handler(request)
        visit.begin(request.method.encode("latin-1"), _fields(request))
        try:
            return await handler(request)
        finally:
            visit.end()

    return within


class CarriedRequest:
    """`tacita.net.message.Request` on top of aiohttp's.

    Raises:
        HeadMalformed: the fast lane would not have taken such a head either.
    """

    def __init__(self, request: web.Request) -> None:
        if not request.raw_path.startswith("/"):
            raise refusal()
        self.version: tuple[int, int] = (request.version.major, request.version.minor)
        self.method = request.method.encode("latin-1")
        self.target = request.raw_path.encode("latin-1", "surrogateescape")
        self.fields = _fields(request)
        if self.version >= (1, 1):
            check_fields(self.fields)
        self.length = request.content_length if request.body_exists else 0
        self.started = False
        self.ended = not request.body_exists
        self.complete = False
        """Whether all of the answer has been written."""
        self.piece_seconds = _PIECE_SECONDS
        self.plan: Any = None
        self.on_gone: Callable[[], None] | None = None
        self.response: web.StreamResponse | None = None
        self._request = request
        self._sent: asyncio.Future[Coroutine[Any, Any, None] | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._broken = False
        self._left: int | None = None

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the field with this lowercase name, in order."""
        return [value for key, value in self.fields if key == name]

    def certificate(self) -> bytes | None:
        """Return the certificate (DER) that the peer showed, if it had to show one."""
        tls = self._request.get_extra_info("ssl_object")
        certificate: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
        return certificate

    def content(self) -> bytes | None:
        """Return the whole content if it has arrived already; None, and nothing is taken, if it has not."""
        if self.ended:
            return b""
        content = self._request.content
        if not content.is_eof():
            return None
        self.ended = True
        try:
            return content.read_nowait()
        except web.RequestPayloadError:
            raise BodyMalformed("The framing of the request's content is broken.") from None

    async def read(self) -> bytes:
        """Return the next piece of the content as it arrived, empty at the end."""
        try:
            async with asyncio.timeout(self.piece_seconds):
                piece = await self._request.content.readany()
        except TimeoutError:
            raise SenderTooSlow("The content of the request came too slowly.") from None
        except web.RequestPayloadError:
            raise BodyMalformed("The framing of the request's content is broken.") from None
        except ConnectionError:
            raise PeerGone("The peer's connection broke.") from None
        self.ended = not piece
        return piece

    def send(self, status: int, fields: Iterable[Field], content: bytes) -> None:
        """Send a whole answer without waiting until the peer takes it; its length is written for you."""
        if self.started:
            raise RuntimeError("the request has its answer already")
        self.started = self.complete = True
        self.response = web.Response(status=status, body=content, headers=_headers(fields))
        if not self._sent.done():
            self._sent.set_result(None)

    def fail(self, error: Exception) -> None:
        """Answer as if the handler had raised `error`."""
        if not self._sent.done():
            self._sent.set_exception(error)

    def go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as the task of a handler that had none so far."""
        if self._sent.done():
            work.close()
        else:
            self._sent.set_result(work)

    def abandon(self) -> None:
        """The peer is gone: tell a handler that is no task, or whose task has not begun."""
        if self._sent.done() and not self._sent.cancelled() and self._sent.exception() is None:
            work = self._sent.result()
            if work is not None:
                work.close()
        if self.on_gone is not None:
            self.on_gone()

    async def sent(self) -> Coroutine[Any, Any, None] | None:
        """Wait for `send` or `fail`, or for what is to be done yet. Raises what `fail` was given."""
        return await self._sent

    async def answer(self, status: int, fields: Iterable[Field], content: bytes) -> None:
        """Send a whole answer; its length is written for you."""
        self.send(status, fields, content)
        assert self.response is not None
        await self._bounded(self._whole(self.response))

    async def _whole(self, response: web.StreamResponse) -> None:
        await response.prepare(self._request)
        await response.write_eof()

    async def begin(self, status: int, fields: Iterable[Field], length: int | None = None) -> None:
        """Send the head of an answer of `length` bytes, or of one whose end is shown by its framing."""
        if self.started:
            raise RuntimeError("the request has its answer already")
        self.started = True
        response = web.StreamResponse(status=status, headers=_headers(fields))
        response.content_length = length
        self._left = length
        self.response = response
        await self._bounded(response.prepare(self._request))

    async def write(self, data: bytes) -> None:
        """Send a piece; returns when the peer can take more."""
        response = self._under_way()
        if self._left is not None:
            if len(data) > self._left:
                raise RuntimeError("an answer is longer than was said")
            self._left -= len(data)
        if data:
            await self._bounded(response.write(data))

    async def end(self) -> None:
        """Send the end."""
        response = self._under_way()
        if self._left:
            raise RuntimeError("an answer is shorter than was said")
        self.complete = True
        await self._bounded(response.write_eof())

    def break_off(self, *, linger_seconds: float = 30.0) -> None:
        """Close the connection before the end of the answer: it is seen as truncated."""
        if not self._broken and not self.complete:
            self._broken = True
            abort.break_off(self._request, linger_seconds=linger_seconds)

    def _under_way(self) -> web.StreamResponse:
        if self.response is None or self.complete:
            raise RuntimeError("the answer has not begun, or has ended")
        return self.response

    async def _bounded(self, writing: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(self.piece_seconds):
                await writing
        except TimeoutError:
            raise ReaderTooSlow("The peer did not read its answer in time.") from None
        except ConnectionError:
            raise PeerGone("The peer's connection broke.") from None


def _fields(request: web.Request) -> Fields:
    return tuple((name.lower(), value) for name, value in request.raw_headers)


def _headers(fields: Iterable[Field]) -> CIMultiDict[str]:
    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
