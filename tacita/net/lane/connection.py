"""One connection of the fast lane: one request after the other, or over to aiohttp.

A connection is in one of four states. *Between* requests it gathers a head. *Under way*, a handler
has the request, whose content may still be coming. *Closing*, the last answer has been written, and what
still comes is dropped unread. *Elsewhere*, its transport belongs to aiohttp, for good.

*Pipelining.* What follows a complete request is kept as it came and looked at only when the answer has
left and the handler has returned; meanwhile the connection is not read. So an answer never overtakes
another, and bytes that somebody tries to smuggle behind a message are a request of the peer that sent
them, in the place in which they stand.

*Closing.* To close a socket on which unread bytes wait makes the kernel reset the connection, and the
reset may overtake the answer. So where more may come, only our half is closed, and for `linger_seconds`
what comes is thrown away; none of it is parsed.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from tacita.errors import TacitaError
from tacita.net.gate import Visit
from tacita.net.lane.contents import ByLength, Chunked, Content
from tacita.net.lane.heads import Head, refusal, unfinished_is_hopeless
from tacita.net.lane.request import NEVER, LaneRequest
from tacita.net.message import HeadMalformed, PeerGone, SenderTooSlow

if TYPE_CHECKING:
    from tacita.net.lane.lane import Lane

__all__ = ["Connection"]

_END = b"\r\n\r\n"

_MAX_KNOWN = 1024
"""Bytes of a head that is remembered for as long as its connection lasts."""


class Connection(asyncio.Protocol):
    """A connection of `lane`."""

    __slots__ = (
        "_buffer",
        "_closing",
        "_content",
        "_deadline",
        "_known",
        "_known_head",
        "_lane",
        "_patient",
        "_paused",
        "_request",
        "_task",
        "_work",
        "full",
        "keep",
        "loop",
        "source",
        "transport",
        "visit",
        "window",
    )

    transport: asyncio.Transport

    def __init__(self, lane: "Lane", source: str | None = None) -> None:
        self._lane = lane
        self.source = source
        """The address that it really comes from, until a gate has asked."""
        self.visit: Visit | None = None
        self.loop = lane.loop
        self.window = lane.limits.window
        self.full = False
        """Whether the transport holds as much as it may of what the peer does not take."""
        self.keep = True
        """Whether another request may follow."""
        self._buffer = b""
        self._closing = False
        self._content: Content | None = None
        self._deadline = NEVER
        self._known: bytes | None = None
        self._known_head: Head | None = None
        self._patient = True
        self._paused = False
        self._request: LaneRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._work: Coroutine[Any, Any, None] | None = None

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many."""
        self.transport = transport  # type: ignore[assignment]
        if not self._lane.admit(self):
            self._closing = True
            self.transport.abort()
            return
        self._deadline = self.loop.time() + self._lane.limits.idle_seconds

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        if self._closing:
            return
        request = self._request
        if request is None:
            if not self._buffer:
                self._deadline = NEVER
            else:
                data = self._buffer + data
            self._take_head(data)
        elif self._content is not None:
            self._take_content(request, self._content, data)
        else:
            # The next request; it waits, and whatever comes behind it waits in the kernel.
            self._buffer += data
            self.pause()

    def eof_received(self) -> bool:
        """Close. A peer that says that it sends no more cannot be told from one that is gone (as nginx)."""
        return False

    def pause_writing(self) -> None:
        """Stop sending."""
        self.full = True

    def resume_writing(self) -> None:
        """Go on sending."""
        self.full = False
        if self._request is not None:
            self._request.drained()
        elif not self._closing:
            self._between()

    def connection_lost(self, _error: Exception | None) -> None:
        """End the handler whose answer nobody will read."""
        self._closing = True
        self._lane.forget(self)
        request, task, work = self._request, self._task, self._work
        if request is None:
            return
        # A handler whose answer is complete is let to end.
        if task is not None and not request.answered:
            task.cancel()
        request.lost()
        if work is not None:
            # The task has not begun: it is over before it does.
            work.close()
        if work is not None or task is None:
            if request.on_gone is not None and not request.answered:
                request.on_gone()
            self._over()

    # Between requests

    def _take_head(self, data: bytes) -> None:
        lane = self._lane
        known, head = self._known, self._known_head
        if known is not None and head is not None and data.startswith(known) and lane.heads.holds(head):
            # The same head as last time, which kept connections mostly have: it is not parsed again.
            self._deadline = NEVER
            self._begin(head, data[len(known) :])
            return
        end = data.find(_END)
        if not 0 <= end <= lane.limits.head_bytes - 4:
            if end >= 0 or not 65 <= data[0] <= 90 or unfinished_is_hopeless(data, lane.limits):
                self._refuse(refusal())
                return
            self._buffer = data
            if self._deadline == NEVER:
                self._deadline = self.loop.time() + lane.limits.head_seconds
            return
        self._deadline = NEVER
        end += 4
        try:
            told = lane.heads.read(data[:end])
        except HeadMalformed as error:
            self._refuse(error)
            return
        if told is None:
            self._go_elsewhere(data)
        else:
            if end <= _MAX_KNOWN:
                self._known, self._known_head = data[:end], told
            self._begin(told, data[end:])

    def _refuse(self, error: TacitaError) -> None:
        """Answer what is no request, and read nothing more."""
        self.keep = False
        status, fields, content = self._lane.render(error)
        self.transport.write(self._lane.whole(status, fields, content))
        self._close(more=True)

    def _go_elsewhere(self, data: bytes) -> None:
        lane, transport = self._lane, self.transport
        self._closing = True
        self._buffer = b""
        self.resume()
        lane.hand_over(self)
        other = lane.elsewhere()
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(data)

    # A request

    def _begin(self, told: Head, rest: bytes) -> None:
        lane = self._lane
        request = LaneRequest(self, told, lane.limits.piece_seconds)
        self.keep = told.keep and not lane.draining
        self._request = request
        lane.under_way += 1
        length = told.length
        if length is not None and len(rest) >= length:
            if len(rest) == length:
                self._buffer = b""
                request.arrived_whole(rest)
            else:
                self._buffer = rest[length:]
                self.pause()
                request.arrived_whole(rest[:length])
        else:
            self._buffer = b""
            self._content = Chunked() if length is None else ByLength(length)
            if rest:
                self._take_content(request, self._content, rest)
        visit = self.visit
        try:
            if visit is not None:
                visit.begin(b"POST", told.fields)
            work = told.handler(request)
        except Exception as error:
            self.failed(request, error)
            return
        if work is not None:
            self.go_on(request, work)

    def go_on(self, request: LaneRequest, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as the handler's task."""
        if request is not self._request or self._task is not None:
            work.close()
            return
        self._work = work
        self._task = self.loop.create_task(self._run(request, work))

    def _take_content(self, request: LaneRequest, content: Content, data: bytes) -> None:
        pieces, rest = content.feed(data)
        if pieces:
            request.arrived(pieces)
        if rest is not None:
            self._content = None
            if rest:
                self._buffer = rest
                self.pause()
            request.arrived_all()
        elif content.broken:
            # Nobody knows where in the stream we are: nothing of it is looked at any more.
            self.keep = False
            request.broke()

    async def _run(self, request: LaneRequest, work: Coroutine[Any, Any, None]) -> None:
        self._work = None
        try:
            await work
        except asyncio.CancelledError:
            if not request.gone:
                self.transport.abort()
        except Exception as error:
            self._raised(request, error)
        else:
            if not request.answered and not self._gone(request):
                self._raised(request, RuntimeError("a handler returned without an answer"))
        finally:
            self._task = None
            self._over()

    def _raised(self, request: LaneRequest, error: Exception) -> None:
        """Answer with `error` if that is still possible, and let a defect be seen in any case."""
        gone = self._gone(request)
        if isinstance(error, PeerGone) and gone:
            return
        status, fields, content = self._lane.render(error)
        if gone or request.answered:
            return
        if request.started:
            self.break_off(self._lane.limits.piece_seconds)
            return
        kept = tuple(field for field in fields if field[0].lower() != b"connection")
        if kept != fields or not request.complete:
            self.keep = False
        self.transport.write(self._lane.whole(status, kept, content, close=not self.keep))
        request.started = request.answered = True

    def _gone(self, request: LaneRequest) -> bool:
        """Say whether nothing can be written any more."""
        return request.gone or self._closing or self.transport.is_closing()

    def failed(self, request: LaneRequest, error: Exception) -> None:
        """Answer with `error` for a handler that has no task."""
        self._raised(request, error)
        self._over()

    def answered(self, request: LaneRequest) -> None:
        """All of the answer is written. A task ends its request by returning."""
        if self._task is None and request is self._request and self._work is None:
            self._over()

    def _over(self) -> None:
        """Answer and handler are both done."""
        request = self._request
        if request is None:
            return
        self._request = None
        if self.visit is not None:
            self.visit.end()
        self._lane.done()
        if self._closing:
            return
        if not request.answered:
            self.transport.abort()
        elif not self.keep or not request.complete:
            self._close(more=bool(self._buffer) or not request.complete)
        else:
            self._between()

    def _between(self) -> None:
        """Wait for the next request, once the peer has taken its answer."""
        limits = self._lane.limits
        if self.full:
            self.pause()
            self._deadline = self.loop.time() + limits.piece_seconds
            return
        if self._lane.draining:
            self._close(more=bool(self._buffer))
            return
        self._deadline = self.loop.time() + (limits.head_seconds if self._buffer else limits.idle_seconds)
        if self._buffer:
            # Not from here: a thousand small requests in one segment would nest a thousand calls.
            self.loop.call_soon(self._take_buffered)
        else:
            self.resume()

    def _take_buffered(self) -> None:
        if self._closing or self._request is not None or not self._buffer:
            return
        self.resume()
        self._take_head(self._buffer)

    # Ends

    def break_off(self, linger_seconds: float) -> None:
        """Close without the end of what is under way; what was written has `linger_seconds` to arrive."""
        self.keep = False
        self._closing = True
        self._patient = False
        self._deadline = self.loop.time() + linger_seconds
        self.transport.close()
        if linger_seconds <= 0:
            self.transport.abort()

    def _close(self, *, more: bool) -> None:
        """Close behind what was written. `more`: the peer may still be sending."""
        self._closing = True
        self._buffer = b""
        self._content = None
        limits = self._lane.limits
        half = self.transport.can_write_eof()  # TLS has no such thing in Python.
        if not (half or more) or self.transport.is_closing():
            self._deadline = self.loop.time() + limits.piece_seconds
            self.transport.close()
            return
        self._deadline = self.loop.time() + limits.linger_seconds
        self.resume()
        if half:
            self.transport.write_eof()

    def sweep(self, now: float) -> None:
        """See whether the peer has taken too long."""
        if self._request is not None:
            self._request.sweep(now)
        if now < self._deadline:
            return
        self._deadline = NEVER
        if self._closing and self._patient and self.transport.get_write_buffer_size():
            # The last answer is still on its way.
            self._patient = False
            self._deadline = now + self._lane.limits.piece_seconds
        elif self._closing or self.full:
            self.transport.abort()
        elif self._buffer:
            self._refuse(SenderTooSlow("The head of the request came too slowly."))
        else:
            self._closing = True
            self.transport.close()
            self._deadline = now + self._lane.limits.linger_seconds

    # Back-pressure

    def pause(self) -> None:
        """Stop reading: a window is full."""
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if self._paused:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
