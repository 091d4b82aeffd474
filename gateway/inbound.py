"""An encapsulated request on its way in: its kind, its bytes within limits, the events it holds.

All of these are objects that are asked for the next piece, not generators: the asking is
done by whoever forwards, in a task that ends at any moment, and a generator that another
task is in cannot be closed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Self

from aiohttp import web

from gateway.errors import BodyMalformed, ClientGone, RequestTooLong, RequestTooSlow, UnsupportedMediaType
from tacita.bhttp import Content, Event, RequestDecoder
from tacita.ohttp import media
from tacita.ohttp.chunked import MAX_CHUNK, RequestOpener

__all__ = ["Body", "ChunkedEvents", "WholeEvents", "is_chunked"]

_KINDS = {media.REQUEST: False, media.CHUNKED_REQUEST: True}


def is_chunked(request: web.Request) -> bool:
    """Return whether the content is an encapsulated request of the chunked form, or the one-shot form.

    Parameters of the media type are ignored.

    Raises:
        UnsupportedMediaType: it is neither, or has a content coding.
    """
    types = request.headers.getall("Content-Type", [])
    kind = _KINDS.get(types[0].partition(";")[0].strip().lower()) if len(types) == 1 else None
    if kind is None:
        raise UnsupportedMediaType("Send an encapsulated request of RFC 9458 or its chunked form.")
    if "Content-Encoding" in request.headers:
        raise UnsupportedMediaType("Send the encapsulated request without a content coding.")
    return kind


class Body:
    """The content of a request, at most `limit` bytes, no piece later than `piece_seconds` after the last.

    Raises `RequestTooLong` at once where the length is announced.
    """

    def __init__(self, request: web.Request, *, limit: int, piece_seconds: float) -> None:
        if (request.content_length or 0) > limit:
            raise _too_long()
        self._content = request.content
        self._left = limit
        self._piece_seconds = piece_seconds

    async def read(self) -> bytes:
        """Return the next piece, empty at the end.

        Raises:
            RequestTooLong, RequestTooSlow, BodyMalformed, ClientGone
        """
        try:
            async with asyncio.timeout(self._piece_seconds):
                piece = await self._content.readany()
        except TimeoutError:
            raise RequestTooSlow("The next piece of the request took too long; send it faster.") from None
        except web.RequestPayloadError:
            raise BodyMalformed("The framing of the encapsulated request is broken.") from None
        except ConnectionError:
            raise ClientGone("The connection to the relay broke.") from None
        self._left -= len(piece)
        if self._left < 0:
            raise _too_long()
        return piece

    async def whole(self) -> bytes:
        """Return all of it. Raises as `read`."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)


def _too_long() -> RequestTooLong:
    return RequestTooLong("The encapsulated request is longer than one token buys.")


class WholeEvents(AsyncIterator[Event]):
    """The events of a one-shot request: none is given out before the last byte was found valid."""

    def __init__(self, plaintext: bytes) -> None:
        self._plaintext = plaintext
        self._events: list[Event] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._events is None:
            self._events = await self._decode()
            self._events.reverse()
        if not self._events:
            raise StopAsyncIteration
        return self._events.pop()

    async def _decode(self) -> list[Event]:
        decoder = RequestDecoder()
        events: list[Event] = []
        for start in range(0, len(self._plaintext), MAX_CHUNK):
            events += _merged(decoder.feed(self._plaintext[start : start + MAX_CHUNK]))
            # Content of single bytes takes long to read; others get their turn.
            await asyncio.sleep(0)
        self._plaintext = b""
        return events + decoder.finish()


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
