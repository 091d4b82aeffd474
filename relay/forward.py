"""One exchange: a client's encapsulated request to the gateway, its answer back (RFC 9458, section 5).

Both bodies are passed on piece by piece as they arrive, and a side that does not read
stops the other from being read: an exchange holds a few socket buffers, never a body.

Once the answer's head is out, nothing can be said any more but by breaking off: the
connection is closed without the end of the message, so that a cut answer never looks
whole. A client that goes away cancels the handler, which closes the leg to the gateway.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from relay.config import Limits
from relay.errors import (
    AnswerTooLong,
    BodyMalformed,
    ClientGone,
    ExchangeTooLong,
    ReaderTooSlow,
    RelayError,
    RequestTooLong,
    RequestTooSlow,
)
from relay.headers import kind_of, to_client, to_gateway
from relay.meters import Meters
from tacita.errors import TacitaError
from tacita.net.upstream import Upstream, UpstreamResponse, UpstreamTimeout, UpstreamUnreachable

__all__ = ["Forwarder"]


class Forwarder:
    """Handles `POST /{name}` of one gateway, whose message resource is `path` of `upstream`."""

    def __init__(self, upstream: Upstream, path: str, limits: Limits, meters: Meters) -> None:
        self._upstream = upstream
        self._path = path
        self._limits = limits
        self._meters = meters

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer `request`. Raises leaves of `RelayError` and `UpstreamError` while no head is out."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        exchange = _Exchange(request, self._limits)
        result = "defect"
        try:
            result = await self._run(exchange)
        except asyncio.CancelledError:
            result = ClientGone.result
            raise
        except TacitaError as error:
            result = _result_of(error)
            if exchange.response is None:
                raise
        finally:
            if result not in _WHOLE:
                exchange.break_off()
            self._meters.exchanges.inc(result)
            self._meters.request_bytes.inc(exchange.taken)
            self._meters.response_bytes.inc(exchange.given)
            self._meters.seconds.observe(clock() - begun)
        assert exchange.response is not None
        return exchange.response

    async def _run(self, exchange: "_Exchange") -> str:
        kind = kind_of(exchange.request)
        fields = to_gateway(exchange.request, kind)
        exchange.refuse_announced_length()
        try:
            async with (
                asyncio.timeout(self._limits.exchange_seconds),
                self._upstream.request("POST", self._path, fields, exchange.content()) as answer,
            ):
                await exchange.give(answer, to_client(answer, kind))
        except TimeoutError:
            raise ExchangeTooLong("The exchange took longer than the relay allows.") from None
        if answer.status >= 500:
            return "gateway_failed"
        return "gateway_refused" if answer.status >= 400 else "answered"


_WHOLE = frozenset({"answered", "gateway_refused", "gateway_failed"})


def _result_of(error: TacitaError) -> str:
    if isinstance(error, RelayError):
        return error.result
    if isinstance(error, UpstreamUnreachable):
        return "unreachable"
    return "timeout" if isinstance(error, UpstreamTimeout) else "lost"


class _Exchange:
    """The client's side of an exchange, with what has crossed so far."""

    def __init__(self, request: web.Request, limits: Limits) -> None:
        self.request = request
        self.response: web.StreamResponse | None = None
        self.taken = 0
        self.given = 0
        self._limits = limits

    def refuse_announced_length(self) -> None:
        """Raise `RequestTooLong` before anything is read."""
        if (self.request.content_length or 0) > self._limits.request_bytes:
            raise RequestTooLong("The encapsulated request is longer than the relay takes.")

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the request's content as it arrives.

        Raises:
            RequestTooLong, RequestTooSlow, BodyMalformed, ClientGone
        """
        while piece := await self._piece():
            self.taken += len(piece)
            if self.taken > self._limits.request_bytes:
                raise RequestTooLong("The encapsulated request is longer than the relay takes.")
            yield piece

    async def _piece(self) -> bytes:
        try:
            async with asyncio.timeout(self._limits.piece_seconds):
                return await self.request.content.readany()
        except TimeoutError:
            raise RequestTooSlow("The encapsulated request came too slowly.") from None
        except web.RequestPayloadError:
            raise BodyMalformed("The framing of the encapsulated request is broken.") from None
        except ConnectionError:
            raise ClientGone("The client's connection broke.") from None

    async def give(self, answer: UpstreamResponse, fields: dict[str, str]) -> None:
        """Send the gateway's answer to the client under `fields`, whole.

        Raises:
            AnswerTooLong, ReaderTooSlow, ClientGone; and as `UpstreamResponse.pieces`.
        """
        if int(fields.get("Content-Length", 0)) > self._limits.response_bytes:
            raise AnswerTooLong("The gateway's answer is longer than the relay passes on.")
        response = web.StreamResponse(status=answer.status, headers=fields)
        try:
            await response.prepare(self.request)
            self.response = response
            async for piece in answer.pieces():
                self.given += len(piece)
                if self.given > self._limits.response_bytes:
                    raise AnswerTooLong("The gateway's answer is longer than the relay passes on.")
                await self._write(response, piece)
            await response.write_eof()
        except ConnectionError:
            raise ClientGone("The client's connection broke.") from None

    async def _write(self, response: web.StreamResponse, piece: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.piece_seconds):
                await response.write(piece)
        except TimeoutError:
            raise ReaderTooSlow("The client did not read its answer in time.") from None

    def break_off(self) -> None:
        """Close the client's connection before the end of an answer that is under way, if there is one."""
        transport = self.request.transport
        if self.response is None or transport is None:
            return
        # What has been given may still reach the client; one that does not read is not waited for.
        transport.close()
        asyncio.get_running_loop().call_later(self._limits.piece_seconds, transport.abort)
