"""The two ways in which an answer is sealed and sent: in chunks as it comes, or whole.

Both count what they send against what one token buys, in bytes as encapsulated.
"""

from aiohttp import web

from gateway.errors import AnswerTooLong
from tacita.bhttp import Response, ResponseEncoder, ResponseHead, encode_response
from tacita.ohttp import media
from tacita.ohttp.chunked import MAX_CHUNK, ResponseSealer
from tacita.ohttp.oneshot import GatewayContext

__all__ = ["ChunkedResponder", "OneShotResponder"]

_PIECE = MAX_CHUNK - 8
"""Content for each chunk: Binary HTTP puts an integer of at most 8 bytes before it."""


class ChunkedResponder:
    """Seals each piece as a chunk of its own and sends it at once (chunked OHTTP, Section 6.2)."""

    def __init__(self, request: web.Request, sealer: ResponseSealer, limit: int) -> None:
        self._request = request
        self._sealer = sealer
        self._left = limit
        self._encoder = ResponseEncoder()
        self._response = web.StreamResponse(
            headers={
                "Content-Type": media.CHUNKED_RESPONSE,
                "Incremental": "?1",
                "Cache-Control": "no-store",
            }
        )

    @property
    def started(self) -> bool:
        """Whether the HTTP response has begun."""
        return self._response.prepared

    @property
    def response(self) -> web.StreamResponse:
        """The HTTP response."""
        return self._response

    async def head(self, head: ResponseHead) -> None:
        """Begin the HTTP response. Raises `InvalidMessage` before anything is sent."""
        encoded = self._encoder.head(head)
        await self._response.prepare(self._request)
        await self._send(self._sealer.header() + self._seal(encoded))

    async def content(self, data: bytes) -> None:
        """Send `data` in chunks of at most 16,384 bytes. Raises `AnswerTooLong`."""
        for start in range(0, len(data), _PIECE):
            await self._send(self._seal(self._encoder.content(data[start : start + _PIECE])))

    async def end(self) -> None:
        """Send the final chunk and end the HTTP response."""
        await self._send(self._sealer.finish(self._encoder.end()))
        await self._response.write_eof()

    def _seal(self, encoded: bytes) -> bytes:
        # A head with many fields can be longer than one chunk.
        return b"".join(
            self._sealer.seal(encoded[start : start + MAX_CHUNK])
            for start in range(0, len(encoded), MAX_CHUNK)
        )

    async def _send(self, sealed: bytes) -> None:
        self._left -= len(sealed)
        if self._left < 0:
            raise AnswerTooLong("The answer is longer than one token buys.")
        await self._response.write(sealed)


class OneShotResponder:
    """Collects the answer, within what one token buys, and seals it whole (RFC 9458, Section 4.4)."""

    started = False

    def __init__(self, context: GatewayContext, limit: int) -> None:
        self._context = context
        self._limit = limit
        self._left = limit
        self._head: ResponseHead | None = None
        self._content: list[bytes] = []

    async def head(self, head: ResponseHead) -> None:
        """Keep the head, in place of an earlier one if that answer failed. Raises `InvalidMessage`."""
        encode_response(Response(head))
        self._head = head
        self._content = []
        self._left = self._limit

    async def content(self, data: bytes) -> None:
        """Keep the piece. Raises `AnswerTooLong`."""
        self._left -= len(data)
        if self._left < 0:
            raise AnswerTooLong("The answer is longer than one token buys.")
        self._content.append(data)

    async def end(self) -> None:
        """Nothing: `response` seals."""

    def response(self) -> web.Response:
        """Return the sealed HTTP response."""
        assert self._head is not None
        message = encode_response(Response(self._head, b"".join(self._content)))
        return web.Response(
            body=self._context.encapsulate_response(message),
            headers={"Content-Type": media.RESPONSE, "Cache-Control": "no-store"},
        )
