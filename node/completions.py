"""POST /v1/chat/completions: from the request's body to the last byte of the answer."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aiohttp import web

from node.answers import Answer, Usage, error_document
from node.chat import ChatBounds, parse_chat
from node.config import Limits
from node.engine import End, Engine, Text
from node.errors import (
    BadRequest,
    BodyTooLong,
    BodyTooSlow,
    Busy,
    NodeError,
    UnsupportedMediaType,
)
from tacita.service.metrics import Metrics
from tacita.wire import sse

__all__ = ["Completions"]

_Pieces = AsyncGenerator[Text | End, None]

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Completions:
    """The handler. `limits` bounds what a request may cost beyond what the engine bounds itself."""

    def __init__(
        self,
        engine: Engine,
        *,
        model: str,
        limits: Limits,
        metrics: Metrics,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._wall_clock = wall_clock
        self._bounds = ChatBounds(model, limits.messages, limits.answer_tokens)
        results = ("answered", "refused", "busy", "failed", "cancelled")
        self._requests = metrics.reasons("requests", "Chat completions by result.", "result", results)
        self._generated = metrics.counter("generated_tokens", "Tokens in complete answers.")
        self._duration = metrics.histogram("seconds", "Time from request to end of answer.", _SECONDS)
        waiting = metrics.gauge("waiting_requests", "Requests that wait for the model.")
        waiting.set_function(lambda: engine.admission.waiting)
        running = metrics.gauge("running_requests", "Requests that the model answers.")
        running.set_function(lambda: engine.admission.running)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, and count how it went."""
        result = "failed"
        try:
            with self._duration.time():
                response, result = await self._answer(request)
        except Busy:
            result = "busy"
            raise
        except BadRequest:
            result = "refused"
            raise
        except (asyncio.CancelledError, ConnectionError):
            result = "cancelled"
            raise
        else:
            return response
        finally:
            self._requests.inc(result)

    async def _answer(self, request: web.Request) -> tuple[web.StreamResponse, str]:
        chat = parse_chat(await self._body(request), self._bounds)
        answer = Answer(
            identifier=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(self._wall_clock()),
            model=self._bounds.model,
            include_usage=chat.include_usage,
        )
        async with aclosing(self._engine.answer(chat)) as pieces:
            if chat.stream:
                return await self._stream(request, pieces, answer)
            return await self._whole(pieces, answer)

    async def _body(self, request: web.Request) -> bytes:
        if request.content_type != "application/json":
            raise UnsupportedMediaType("The body is not declared as application/json.")
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise BodyTooLong("The body is longer than this node takes; shorten the conversation.") from None
        except TimeoutError:
            raise BodyTooSlow("The body did not arrive in time.") from None

    async def _whole(self, pieces: _Pieces, answer: Answer) -> tuple[web.Response, str]:
        texts: list[str] = []
        end = End("stop", Usage())
        async for piece in pieces:
            if isinstance(piece, End):
                end = piece
            else:
                texts.append(piece.text)
        self._generated.inc(end.usage.completion_tokens)
        response = web.Response(
            text=answer.whole("".join(texts), end.finish_reason, end.usage),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )
        return response, "answered"

    async def _stream(
        self, request: web.Request, pieces: _Pieces, answer: Answer
    ) -> tuple[web.StreamResponse, str]:
        # What is wrong with a request shows before the first piece, while there can still be a status for it.
        first = await anext(pieces)
        response = web.StreamResponse(
            headers={"Content-Type": sse.MEDIA_TYPE, "Cache-Control": "no-store"},
        )
        await response.prepare(request)
        try:
            # Bounds a client that reads too slowly; the model has long gone on to the next one.
            async with asyncio.timeout(2 * self._limits.answer_seconds):
                await response.write(sse.encode(answer.first_chunk()))
                await self._send(response, first, answer)
                async for piece in pieces:
                    await self._send(response, piece, answer)
        except NodeError as error:
            # Without the closing [DONE], so that nobody takes it for a whole answer.
            await response.write(sse.encode(error_document(error)))
            return response, "failed"
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
            return response, "cancelled"
        return response, "answered"

    async def _send(self, response: web.StreamResponse, piece: Text | End, answer: Answer) -> None:
        if isinstance(piece, Text):
            await response.write(sse.encode(answer.text_chunk(piece.text)))
            return
        self._generated.inc(piece.usage.completion_tokens)
        closing = [answer.last_chunk(piece.finish_reason)]
        if answer.include_usage:
            closing.append(answer.usage_chunk(piece.usage))
        await response.write(b"".join(map(sse.encode, [*closing, sse.DONE])))
