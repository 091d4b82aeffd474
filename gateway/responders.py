"""The two ways in which an answer is sealed and sent: in chunks as it comes, or whole.

Both count what they send against what one token buys, in bytes as encapsulated, and both
pad the whole of an answer to a length that many answers share; padding is not counted.
(The pieces of a streamed answer keep their own lengths: whoever makes the stream can
even those out.)
"""

from aiohttp import web

from gateway.errors import AnswerTooLong, ClientGone
from tacita.bhttp import Response, ResponseEncoder, ResponseHead, encode_response
from tacita.ohttp import media, padding
from tacita.ohttp.chunked import MAX_CHUNK, ResponseSealer
from tacita.ohttp.oneshot import GatewayContext

__all__ = ["ChunkedResponder", "OneShotResponder"]

_PIECE = MAX_CHUNK - 8
"""Content for each chunk: Binary HTTP puts an integer of at most 8 bytes before it."""

_AROUND = 64
"""Bytes around a one-shot answer at most: nonce (32), tag (16), and the integer before the content (8)."""

_FINAL = 17
"""Bytes around the final chunk: its indicator and its tag."""

_SLICE = 65_536


class ChunkedResponder:
    """Seals each piece as a chunk of its own and sends it at once (chunked OHTTP, Section 6.2)."""

    def __init__(self, request: web.Request, sealer: ResponseSealer, limit: int) -> None:
        self._request = request
        self._sealer = sealer
        self._left = limit
        self._encoder = ResponseEncoder()
        self._sealed = 0
        self.response = web.StreamResponse(
            headers={
                "Content-Type": media.CHUNKED_RESPONSE,
                "Incremental": "?1",
                "Cache-Control": "no-store",
            }
        )

    @property
    def started(self) -> bool:
        """Whether the HTTP response has begun."""
        return self.response.prepared

    async def head(self, head: ResponseHead) -> None:
        """Begin the HTTP response. Raises `InvalidMessage` before anything is sent, `ClientGone` after."""
        encoder = ResponseEncoder()
        encoded = encoder.head(head)
        self._encoder = encoder
        await self.response.prepare(self._request)
        await self._send(self._sealer.header() + self._seal(encoded))

    async def content(self, data: bytes) -> None:
        """Send `data` in chunks of at most 16,384 bytes. Raises `AnswerTooLong`, `ClientGone`."""
        for start in range(0, len(data), _PIECE):
            await self._send(self._seal(self._encoder.content(data[start : start + _PIECE])))

    async def end(self) -> None:
        """Send the rest with its padding and end the response. Raises `AnswerTooLong`, `ClientGone`."""
        rest = self._encoder.end()
        self._count(len(rest) + _FINAL)
        length = self._sealed + len(rest)
        rest += bytes(padding.padded_length(length) - length)
        last = (len(rest) - 1) // MAX_CHUNK * MAX_CHUNK
        await self._write(self._seal(rest[:last]) + self._sealer.finish(rest[last:]))
        try:
            await self.response.write_eof()
        except ConnectionError:
            raise _gone() from None

    def _seal(self, encoded: bytes) -> bytes:
        # A head with many fields can be longer than one chunk.
        self._sealed += len(encoded)
        return b"".join(
            self._sealer.seal(encoded[start : start + MAX_CHUNK])
            for start in range(0, len(encoded), MAX_CHUNK)
        )

    async def _send(self, sealed: bytes) -> None:
        self._count(len(sealed))
        await self._write(sealed)

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise AnswerTooLong("The answer is longer than one token buys.")

    async def _write(self, sealed: bytes) -> None:
        try:
            await self.response.write(sealed)
        except ConnectionError:
            raise _gone() from None


class OneShotResponder:
    """Collects the answer, within what one token buys, and seals it whole (RFC 9458, Section 4.4)."""

    started = False

    def __init__(self, request: web.Request, context: GatewayContext, limit: int) -> None:
        self._request = request
        self._context = context
        self._limit = limit
        self._left = limit
        self._head: ResponseHead | None = None
        self._content: list[bytes] = []
        self.response = web.StreamResponse(
            headers={"Content-Type": media.RESPONSE, "Cache-Control": "no-store"}
        )

    async def head(self, head: ResponseHead) -> None:
        """Keep the head, in place of an earlier one if that answer failed.

        Raises:
            InvalidMessage: it cannot be encoded.
            AnswerTooLong: it is longer by itself than one token buys.
        """
        left = self._limit - _AROUND - len(encode_response(Response(head)))
        if left < 0:
            raise AnswerTooLong("The answer is longer than one token buys.")
        self._head = head
        self._content = []
        self._left = left

    async def content(self, data: bytes) -> None:
        """Keep the piece. Raises `AnswerTooLong`."""
        self._left -= len(data)
        if self._left < 0:
            raise AnswerTooLong("The answer is longer than one token buys.")
        self._content.append(data)

    async def end(self) -> None:
        """Nothing: `send` seals."""

    async def send(self) -> web.StreamResponse:
        """Seal and send the HTTP response. Raises `ClientGone`."""
        sealed = self._sealed()
        self.response.content_length = len(sealed)
        try:
            await self.response.prepare(self._request)
            for start in range(0, len(sealed), _SLICE):
                await self.response.write(sealed[start : start + _SLICE])
            await self.response.write_eof()
        except ConnectionError:
            raise _gone() from None
        return self.response

    def _sealed(self) -> bytes:
        assert self._head is not None
        message = encode_response(Response(self._head, b"".join(self._content)))
        self._content = []
        return self._context.encapsulate_response(padding.pad(message))


def _gone() -> ClientGone:
    return ClientGone("The connection to the relay broke.")
