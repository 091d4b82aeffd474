"""One kept connection to another server: HTTP/1.1 as RFC 9112 has it, one request after the other.

Reading is strict: what is not plainly one answer ends the connection, since whatever follows could
be taken for the answer to somebody else's request. Nothing is retried here.
"""

import asyncio
import math
import select
from collections.abc import Callable
from typing import cast

import httptools

from tacita.net.errors import UpstreamLost, UpstreamTimeout, UpstreamUnreachable
from tacita.net.message import Fields
from tacita.net.response import WINDOW, UpstreamResponse

__all__ = ["MAX_FIELDS", "MAX_HEAD", "Connection"]

MAX_HEAD = 32_768
"""Bytes of an answer's fields, informational heads and trailers included (nginx takes 32 KiB too)."""

MAX_FIELDS = 200

_ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Connection(asyncio.BufferedProtocol):
    """Sends requests and takes their answers. Made by a dialler, owned by a pool.

    `buffer` is what is read into: one for all connections of a loop, since each read is dealt with
    before the next. `closed` is called once when the connection is gone. `seconds` bounds each wait
    for the server, in `check`.
    """

    def __init__(self, buffer: bytearray, seconds: float, closed: Callable[["Connection"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._view = memoryview(buffer)
        self._seconds = seconds
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._poll = select.poll()
        self._quiet = _ENDED
        self._response: UpstreamResponse | None = None
        self._for_head = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._in_head = True
        self._size = self._count = self._unused = 0
        self._keep = self._until_closed = False
        self._sent = True
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._write_paused = self._read_paused = False
        self._read_due = self._write_due = math.inf
        self._name: object = None
        self.since = 0.0
        """When it began to be idle, in the loop's time."""

    # What its owner asks of it.

    @property
    def open(self) -> bool:
        """Whether it is connected and nobody has begun to close it."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def address(self) -> str:
        """The address from which the server sees it come; empty on a unix socket."""
        return f"{self._name[0]}:{self._name[1]}" if isinstance(self._name, tuple) else ""

    def usable(self) -> bool:
        """Whether a request can be sent: the server may have closed it in this very moment."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and not self._poll.poll(0)

    def begin(self, head: bytes, *, whole: bool, for_head: bool) -> UpstreamResponse:
        """Send a request's head, with its content if it is `whole`; return the answer to come.

        The answer to a request `for_head` (HEAD) has no content, whatever its fields say.

        Raises:
            UpstreamUnreachable: the connection is closed; nothing was sent.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise UpstreamUnreachable
        self._response = response = UpstreamResponse(self)
        self._for_head = for_head
        self._sent = whole
        self._size = self._count = self._unused = 0
        transport.write(head)
        return response

    def write(self, data: bytes) -> None:
        """Send some more. A connection that is gone takes everything: whoever reads is told."""
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Return when the server can take more, at once if nothing waits to be sent."""
        if not self._write_paused:
            return
        self._drained = self._loop.create_future()
        self._write_due = self._loop.time() + self._seconds
        try:
            await self._drained
        finally:
            self._drained = None
            self._write_due = math.inf

    def sent(self) -> None:
        """Take note that the request is complete: from now on it is the server's turn."""
        self._sent = True
        if self._waiter is not None:
            self._read_due = self._loop.time() + self._seconds

    def finish(self) -> bool:
        """End the exchange. Return whether the connection can be kept; otherwise it is closed at once."""
        response, self._response = self._response, None
        if response is not None and response.ended and self._keep and self._sent and self.open:
            if self._for_head:
                # It waits for the content that a HEAD only speaks of.
                self._parser = httptools.HttpResponseParser(self)
            return True
        self.abort()
        return False

    def abort(self) -> None:
        """Close at once; what was not sent yet is dropped."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close, as is fit for a connection that is idle."""
        if self._transport is not None:
            self._transport.close()

    def check(self, now: float) -> None:
        """Give up a server that has taken too long."""
        if now > self._write_due or (self._sent and now > self._read_due):
            self.fail(UpstreamTimeout())

    def fail(self, error: Exception) -> None:
        """End the exchange because of `error`, which whoever reads is told, and the connection."""
        if self._response is not None:
            self._response.fail(error)
        self._wake()
        self.abort()

    # For the answer's reader (`response.Source`).

    def arrival(self) -> asyncio.Future[None]:
        self._waiter = waiter = self._loop.create_future()
        self._read_due = self._loop.time() + self._seconds
        return waiter

    def resume(self) -> None:
        if self._read_paused and self._transport is not None and self.open:
            self._read_paused = False
            self._transport.resume_reading()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            self._read_due = math.inf
            # Whoever waited may have been cancelled.
            if not waiter.done():
                waiter.set_result(None)

    # For the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WINDOW)
        self._name = transport.get_extra_info("sockname")
        if transport.get_extra_info("sslcontext") is None:
            # Over TLS a session ticket may lie there unread; without, anything unread is unwanted.
            self._quiet |= select.POLLIN
        self._poll.register(transport.get_extra_info("socket").fileno(), self._quiet)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        # It and its callbacks hold each other.
        self._parser = None
        if self._response is not None and not self._response.ended:
            self._response.fail(UpstreamLost())
        self._wake()
        self.resume_writing()
        self._closed(self)

    def eof_received(self) -> None:
        response = self._response
        if response is not None and self._until_closed:
            response.ended = True
            self._wake()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        parser = self._parser
        if parser is None or self._response is None:
            # Nobody has asked for anything.
            self.abort()
            return
        self._unused += nbytes
        try:
            parser.feed_data(self._view[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(UpstreamLost())
        else:
            if self._unused > MAX_HEAD:
                # Fields or chunk extensions without an end.
                self.fail(UpstreamLost())

    # For the parser, which turns what these raise into an `HttpParserCallbackError`.

    def on_message_begin(self) -> None:
        if self._response is None or self._response.ended:
            raise UpstreamLost
        self._in_head = True
        self._until_closed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value)
        self._count += 1
        if self._size > MAX_HEAD or self._count > MAX_FIELDS:
            raise UpstreamLost
        self._fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        assert self._response is not None
        status = self._parser.get_status_code()
        fields, self._fields = tuple(self._fields), []
        if status < 200:
            if status < 100 or status == 101:
                raise UpstreamLost
            self._response.informational.append((status, fields))
            return
        if status > 599:
            raise UpstreamLost
        self._in_head = False
        self._response.fields = fields
        self._response.status = status
        self._unused = 0
        # The parser knows this now, and no longer at the end.
        self._keep = self._parser.should_keep_alive()
        if self._for_head:
            self._response.ended = True
        else:
            self._until_closed = not self._keep and _has_no_end(status, fields)
        self._wake()

    def on_body(self, data: bytes) -> None:
        response = self._response
        if response is None or response.ended:
            raise UpstreamLost
        self._unused = 0
        if not response.add(data) and not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self._in_head:
            # Of an informational head only.
            return
        assert self._response is not None
        self._response.trailers, self._fields = tuple(self._fields), []
        self._response.ended = True
        self._wake()


def _has_no_end(status: int, fields: Fields) -> bool:
    """Whether the end of such an answer is the end of the connection (RFC 9112, Section 6.3)."""
    if status in {204, 304}:
        return False
    for name, value in fields:
        if name == b"content-length":
            return False
        if name == b"transfer-encoding":
            return value.lower().rpartition(b",")[2].strip() != b"chunked"
    return True
