"""An encapsulated request on its way in: its kind, its bytes within limits, the events it holds.

All of these are objects that are asked for the next piece, not generators: the asking is
done by whoever forwards, in a task that ends at any moment, and a generator that another
task is in cannot be closed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Self

from gateway.errors import RequestTooLong, UnsupportedMediaType
from tacita.bhttp import (
    Content,
    End,
    Event,
    Fields,
    RequestDecoder,
    RequestHead,
    Trailers,
    decode_request,
)
from tacita.bhttp import Request as BinaryRequest
from tacita.net.message import Request
from tacita.ohttp import media
from tacita.ohttp.chunked import MAX_CHUNK, RequestOpener

__all__ = ["Body", "ChunkedEvents", "WholeEvents", "is_chunked"]

_KINDS = {media.REQUEST.encode(): False, media.CHUNKED_REQUEST.encode(): True}


def is_chunked(request: Request) -> bool:
    """Return whether the content is an encapsulated request of the chunked form, or the one-shot form.

    Parameters of the media type are ignored.

    Raises:
        UnsupportedMediaType: it is neither, or has a content coding.
    """
    types = request.values(b"content-type")
    kind = _KINDS.get(types[0].partition(b";")[0].strip().lower()) if len(types) == 1 else None
    if kind is None:
        raise UnsupportedMediaType("Send an encapsulated request of RFC 9458 or its chunked form.")
    if request.values(b"content-encoding"):
        raise UnsupportedMediaType("Send the encapsulated request without a content coding.")
    return kind


class Body:
    """The content of a request, at most `limit` bytes.

    Raises `RequestTooLong` at once where the length is announced.
    """

    def __init__(self, request: Request, *, limit: int) -> None:
        if (request.length or 0) > limit:
            raise _too_long()
        self._request = request
        self._left = limit

    async def read(self) -> bytes:
        """Return the next piece, empty at the end.

        Raises:
            RequestTooLong
            SenderTooSlow, BodyMalformed, PeerGone: see `tacita.net.message`.
        """
        return self._counted(await self._request.read())

    def arrived(self) -> bytes | None:
        """Return all of it if it is there already, else None. Raises `RequestTooLong`."""
        content = self._request.content()
        return None if content is None else self._counted(content)

    async def whole(self) -> bytes:
        """Return all of it. Raises as `read`."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def _counted(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise _too_long()
        return piece


def _too_long() -> RequestTooLong:
    return RequestTooLong("The encapsulated request is longer than one token buys.")


class WholeEvents(AsyncIterator[Event]):
    """The events of a one-shot request: none is given out before the last byte was found valid."""

    def __init__(self, plaintext: bytes) -> None:
        self._plaintext: bytes | None = plaintext
        self._content = b""
        self._trailers: Fields = ()
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._plaintext is not None:
            return await self._head(self._plaintext)
        if self._content:
            content, self._content = self._content, b""
            return Content(content)
        if self._trailers:
            trailers, self._trailers = self._trailers, ()
            return Trailers(trailers)
        if self._ended:
            raise StopAsyncIteration
        self._ended = True
        return End()

    def whole(self) -> tuple[bytes, Fields] | None:
        """Return the content and the trailers that are left, all of which are there; None before the head."""
        if self._plaintext is not None:
            return None
        self._ended = True
        content, self._content = self._content, b""
        trailers, self._trailers = self._trailers, ()
        return content, trailers

    async def _head(self, plaintext: bytes) -> RequestHead:
        request = decode_request(plaintext) if len(plaintext) <= MAX_CHUNK else await _decode_long(plaintext)
        self._plaintext = None
        self._content, self._trailers = request.content, request.trailers
        return request.head


async def _decode_long(plaintext: bytes) -> BinaryRequest:
    decoder = RequestDecoder()
    events = _merged(decoder.feed(plaintext[:MAX_CHUNK]))
    for start in range(MAX_CHUNK, len(plaintext), MAX_CHUNK):
        # Content of single bytes takes long to read; others get their turn.
        await asyncio.sleep(0)
        events += _merged(decoder.feed(plaintext[start : start + MAX_CHUNK]))
    head, *rest = events + decoder.finish()
    assert isinstance(head, RequestHead)
    content = b"".join([event.data for event in rest if isinstance(event, Content)])
    trailers = next((event.fields for event in rest if isinstance(event, Trailers)), ())
    return BinaryRequest(head, content, trailers)


class ChunkedEvents(AsyncIterator[Event]):
    """The events of a chunked request as they arrive; `plaintexts` were opened before."""

    def __init__(self, opener: RequestOpener, body: Body, plaintexts: Iterable[bytes]) -> None:
        self._opener = opener
        self._body = body
        self._decoder = RequestDecoder()
        self._plaintexts = deque(plaintexts)
        self._events: deque[Event] = deque()
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._plaintexts:
                self._events.extend(_merged(self._decoder.feed(self._plaintexts.popleft())))
            elif self._ended:
                raise StopAsyncIteration
            else:
                await self._receive()
        return self._events.popleft()

    def whole(self) -> None:
        """Return None: what is to come of the content comes as it likes."""

    async def _receive(self) -> None:
        piece = await self._body.read()
        if piece:
            self._plaintexts.extend(self._opener.feed(piece))
            return
        for plaintext in self._opener.finish():
            self._events.extend(_merged(self._decoder.feed(plaintext)))
        self._events.extend(self._decoder.finish())
        self._ended = True


def _merged(found: Iterable[Event]) -> list[Event]:
    """Join adjacent content: a message may hold a byte in each piece, and each event becomes a write."""
    events: list[Event] = []
    content = bytearray()
    for event in found:
        if isinstance(event, Content):
            content += event.data
        else:
            _flush(content, events)
            events.append(event)
    _flush(content, events)
    return events


def _flush(content: bytearray, events: list[Event]) -> None:
    if content:
        events.append(Content(bytes(content)))
        content.clear()
