"""The two ways in which an answer is sealed and sent: in chunks as it comes, or whole.

Both count what they send against what one token buys, in bytes as encapsulated, and both
pad the whole of an answer to a length that many answers share; padding is not counted.
(The pieces of a streamed answer keep their own lengths: whoever makes the stream can
even those out.)
"""

from gateway.errors import AnswerTooLong
from tacita.bhttp import Fields, Informational, Response, ResponseEncoder, ResponseHead, encode_response
from tacita.net.message import Request
from tacita.ohttp import media, padding
from tacita.ohttp.chunked import MAX_CHUNK, ResponseSealer
from tacita.ohttp.oneshot import GatewayContext

__all__ = ["ChunkedResponder", "OneShotResponder"]

_PIECE = MAX_CHUNK - 8
"""Content for each chunk: Binary HTTP puts an integer of at most 8 bytes before it."""

_AROUND = 48
"""Bytes around a one-shot answer at most: nonce (32) and tag (16)."""

_FINAL = 17
"""Bytes around the final chunk: its indicator and its tag."""

_SLICE = 65_536

_ONE_SHOT = ((b"Content-Type", media.RESPONSE.encode()), (b"Cache-Control", b"no-store"))
_CHUNKED = (
    (b"Content-Type", media.CHUNKED_RESPONSE.encode()),
    (b"Incremental", b"?1"),
    (b"Cache-Control", b"no-store"),
)


class ChunkedResponder:
    """Seals each piece as a chunk of its own and sends it at once (chunked OHTTP, Section 6.2)."""

    def __init__(self, request: Request, sealer: ResponseSealer, limit: int) -> None:
        self._request = request
        self._sealer = sealer
        self._left = limit
        self._encoder = ResponseEncoder()
        self._early: list[Informational] = []
        self._sealed = 0

    @property
    def started(self) -> bool:
        """Whether the HTTP response has begun."""
        return self._request.started

    def bound(self, limit: int) -> None:
        """Let the answer have at most `limit` bytes, if that is less than before."""
        self._left = min(self._left, limit)

    async def informational(self, message: Informational) -> None:
        """Send it with the head, for which it is too early to begin with."""
        self._early.append(message)

    async def head(self, head: ResponseHead) -> None:
        """Begin the HTTP response. Raises `InvalidMessage` before anything is sent, `PeerGone` after."""
        early, self._early = self._early, []
        encoder = ResponseEncoder()
        encoded = b"".join([encoder.informational(message) for message in early]) + encoder.head(head)
        self._encoder = encoder
        await self._request.begin(200, _CHUNKED)
        await self._send(self._sealer.header() + self._seal(encoded))

    async def content(self, data: bytes) -> None:
        """Send `data` in chunks of at most 16,384 bytes. Raises as `end`."""
        for start in range(0, len(data), _PIECE):
            await self._send(self._seal(self._encoder.content(data[start : start + _PIECE])))

    async def end(self, trailers: Fields) -> None:
        """Send the rest with its padding and end the response.

        Raises:
            AnswerTooLong
            InvalidMessage: the trailers cannot be encoded.
            ReaderTooSlow, PeerGone: see `tacita.net.message`.
        """
        rest = self._encoder.end(trailers)
        self._count(len(rest) + _FINAL)
        left = padding.padded_length(self._sealed + len(rest)) - self._sealed
        # The padding of a long answer is long, too: it is made as it goes.
        last = (left - 1) // MAX_CHUNK * MAX_CHUNK
        for start in range(0, last, MAX_CHUNK):
            piece = rest[start : start + MAX_CHUNK].ljust(MAX_CHUNK, b"\0")
            await self._request.write(self._sealer.seal(piece))
        await self._request.write(self._sealer.finish(rest[last:].ljust(left - last, b"\0")))
        await self._request.end()

    def _seal(self, encoded: bytes) -> bytes:
        # A head with many fields can be longer than one chunk.
        self._sealed += len(encoded)
        return b"".join(
            self._sealer.seal(encoded[start : start + MAX_CHUNK])
            for start in range(0, len(encoded), MAX_CHUNK)
        )

    async def _send(self, sealed: bytes) -> None:
        self._count(len(sealed))
        await self._request.write(sealed)

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _too_long()


class OneShotResponder:
    """Collects the answer, within what one token buys, and seals it whole (RFC 9458, Section 4.4)."""

    started = False

    def __init__(self, request: Request, context: GatewayContext, limit: int) -> None:
        self._request = request
        self._context = context
        self._limit = limit
        self._left = limit
        self._early: list[Informational] = []
        self._head: ResponseHead | None = None
        self._content: list[bytes] = []
        self._message = b""

    def bound(self, limit: int) -> None:
        """Let the answer have at most `limit` bytes, if that is less than before."""
        self._limit = min(self._limit, limit)

    async def informational(self, message: Informational) -> None:
        """Keep it."""
        self._early.append(message)

    async def head(self, head: ResponseHead) -> None:
        """Keep the head, in place of an earlier one if that answer failed."""
        if self._head is not None:
            self._early = []
        self._head = head
        self._content = []
        self._left = self._limit

    async def content(self, data: bytes) -> None:
        """Keep the piece. Raises `AnswerTooLong`."""
        self._left -= len(data)
        if self._left < 0:
            raise _too_long()
        self._content.append(data)

    async def end(self, trailers: Fields) -> None:
        """Encode what was kept; `send` seals it.

        Raises:
            AnswerTooLong
            InvalidMessage: a part of the answer cannot be encoded.
        """
        assert self._head is not None
        content = b"".join(self._content)
        self._content = []
        message = encode_response(Response(self._head, content, trailers, tuple(self._early)))
        if len(message) + _AROUND > self._limit:
            raise _too_long()
        self._message = message

    @property
    def long(self) -> bool:
        """Whether the answer takes more than one write, and so some time."""
        return len(self._message) > _SLICE

    async def send(self) -> None:
        """Seal and send the HTTP response. Raises `ReaderTooSlow`, `PeerGone`."""
        sealed = self._context.encapsulate_response(padding.pad(self._message))
        if not self.long:
            await self._request.answer(200, _ONE_SHOT, sealed)
            return
        self._message = b""
        await self._request.begin(200, _ONE_SHOT, len(sealed))
        for start in range(0, len(sealed), _SLICE):
            await self._request.write(sealed[start : start + _SLICE])
        await self._request.end()


def _too_long() -> AnswerTooLong:
    return AnswerTooLong("The answer is longer than one token buys.")
