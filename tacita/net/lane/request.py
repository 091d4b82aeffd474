"""A request of the fast lane: `tacita.net.message.Request` on top of a connection's bytes."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from tacita.net.lane.answers import NO_CONTENT, head
from tacita.net.lane.heads import Head
from tacita.net.message import BodyMalformed, Field, PeerGone, ReaderTooSlow, SenderTooSlow

if TYPE_CHECKING:
    from tacita.net.lane.connection import Connection

__all__ = ["LaneRequest"]

NEVER = float("inf")

_SHORT = 4096
"""Bytes that are copied behind their head rather than queued as a buffer of their own."""

_Waiter = asyncio.Future[None]


class LaneRequest:
    """Between the handler, which calls what `Request` says, and the connection, which calls the rest."""

    __slots__ = (
        "_broken",
        "_connection",
        "_head",
        "_held",
        "_left",
        "_pieces",
        "_reader",
        "_writer",
        "answered",
        "complete",
        "ended",
        "fields",
        "gone",
        "length",
        "on_gone",
        "piece_seconds",
        "read_deadline",
        "started",
        "target",
        "write_deadline",
    )

    version: tuple[int, int] = (1, 1)
    method = b"POST"

    def __init__(self, connection: "Connection", told: Head, piece_seconds: float) -> None:
        self._head = told
        self.target = told.target
        self.fields = told.fields
        self.length = told.length
        self.piece_seconds = piece_seconds
        self.on_gone: Callable[[], None] | None = None
        self.started = False
        self.answered = False
        """Whether all of the answer has been written."""
        self.complete = False
        """Whether all of the content has arrived."""
        self.ended = self.length == 0
        self.gone = False
        self.read_deadline = self.write_deadline = NEVER
        self._connection = connection
        self._pieces: list[bytes] = []
        self._held = 0
        self._broken = False
        self._reader: _Waiter | None = None
        self._writer: _Waiter | None = None
        self._left: int | None = None  # Of an answer of known length.

    # What handlers call

    @property
    def plan(self) -> Any:
        """What the handler has made of this head before."""
        return self._head.plan

    @plan.setter
    def plan(self, plan: Any) -> None:
        self._head.plan = plan

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the field with this lowercase name, in order."""
        return [value for key, value in self.fields if key == name]

    def certificate(self) -> bytes | None:
        """Return the certificate (DER) that the peer showed, if it had to show one."""
        tls = self._connection.transport.get_extra_info("ssl_object")
        certificate: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
        return certificate

    def content(self) -> bytes | None:
        """Return the whole content if it has arrived already; None, and nothing is taken, if it has not."""
        if not self.complete:
            return None
        self.ended = True
        return self._take()

    async def read(self) -> bytes:
        """Return the next piece of the content as it arrived, empty at the end."""
        while not self._pieces:
            if self.gone:
                raise PeerGone("The peer's connection broke.")
            if self._broken:
                raise BodyMalformed("The framing of the request's content is broken.")
            if self.complete:
                self.ended = True
                return b""
            loop = self._connection.loop
            self.read_deadline = loop.time() + self.piece_seconds
            self._reader = loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
                self.read_deadline = NEVER
        self.ended = self.complete
        return self._take()

    def _take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        if self._held > self._connection.window and not self.complete:
            self._connection.resume()
        self._held = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, status: int, fields: Iterable[Field], content: bytes) -> None:
        """Send a whole answer without waiting until the peer takes it; its length is written for you."""
        if self.started:
            raise RuntimeError("the request has its answer already")
        connection = self._connection
        if self.gone or connection.transport.is_closing():
            return
        # An answer that is whole before its request is the last of its connection: what is still to
        # come of the content would have to be read first, without knowing how much of it there is.
        if not self.complete:
            connection.keep = False
        told = head(status, fields, len(content), close=not connection.keep)
        self.started = True
        if len(content) <= _SHORT:
            connection.transport.write(told + content)
        else:
            connection.transport.writelines((told, content))
        self.answered = True
        connection.answered(self)

    def fail(self, error: Exception) -> None:
        """Answer as if the handler had raised `error`."""
        self._connection.failed(self, error)

    def go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as the task of a handler that had none so far."""
        self._connection.go_on(self, work)

    async def answer(self, status: int, fields: Iterable[Field], content: bytes) -> None:
        """Send a whole answer; its length is written for you."""
        self._check_peer()
        self.send(status, fields, content)
        if self._connection.full:
            await self._drained()

    async def begin(self, status: int, fields: Iterable[Field], length: int | None = None) -> None:
        """Send the head of an answer of `length` bytes, or of one whose end is shown by its framing."""
        if self.started:
            raise RuntimeError("the request has its answer already")
        self._check_peer()
        told = head(status, fields, length, close=not self._connection.keep)
        self.started = True
        self._left = 0 if status in NO_CONTENT else length
        await self._write(told)

    async def write(self, data: bytes) -> None:
        """Send a piece; returns when the peer can take more."""
        self._check_under_way()
        if not data:
            return
        if self._left is None:
            if len(data) <= _SHORT:
                await self._write(b"%x\r\n%b\r\n" % (len(data), data))
            else:
                await self._write(b"%x\r\n" % len(data), data, b"\r\n")
            return
        if len(data) > self._left:
            raise RuntimeError("an answer is longer than was said")
        self._left -= len(data)
        await self._write(data)

    async def end(self) -> None:
        """Send the end."""
        self._check_under_way()
        if self._left:
            raise RuntimeError("an answer is shorter than was said")
        if self._left is None:
            self._connection.transport.write(b"0\r\n\r\n")
        self.answered = True
        self._connection.answered(self)
        if self._connection.full:
            await self._drained()

    def break_off(self, *, linger_seconds: float = 30.0) -> None:
        """Close the connection before the end of the answer: it is seen as truncated."""
        if not self.gone and not self.answered:
            self._connection.break_off(linger_seconds)

    async def _write(self, *data: bytes) -> None:
        transport = self._connection.transport
        if len(data) == 1:
            transport.write(data[0])
        else:
            transport.writelines(data)
        if self._connection.full:
            await self._drained()

    async def _drained(self) -> None:
        loop = self._connection.loop
        self.write_deadline = loop.time() + self.piece_seconds
        self._writer = loop.create_future()
        try:
            await self._writer
        finally:
            self._writer = None
            self.write_deadline = NEVER

    def _check_under_way(self) -> None:
        if not self.started or self.answered:
            raise RuntimeError("the answer has not begun, or has ended")
        self._check_peer()

    def _check_peer(self) -> None:
        if self.gone or self._connection.transport.is_closing():
            raise PeerGone("The peer's connection broke.")

    # What the connection calls

    def arrived(self, pieces: list[bytes]) -> None:
        """Take pieces of the content."""
        self._pieces += pieces
        self._held += sum(map(len, pieces))
        if self._held > self._connection.window:
            self._connection.pause()
        self._wake_reader()

    def arrived_whole(self, content: bytes) -> None:
        """Take the whole content, before the handler is called."""
        self.complete = True
        if content:
            self._pieces.append(content)

    def arrived_all(self) -> None:
        """The content has ended."""
        self.complete = True
        self._wake_reader()

    def broke(self) -> None:
        """The framing of the content is broken: no more of it comes."""
        self._broken = True
        self._wake_reader()

    def drained(self) -> None:
        """The peer takes more."""
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def lost(self) -> None:
        """The connection is gone."""
        self.gone = True
        for waiter in (self._reader, self._writer):
            if waiter is not None and not waiter.done():
                waiter.set_exception(PeerGone("The peer's connection broke."))

    def sweep(self, now: float) -> None:
        """Give up what has waited for too long."""
        if now >= self.read_deadline and self._reader is not None and not self._reader.done():
            self._reader.set_exception(SenderTooSlow("The content of the request came too slowly."))
        if now >= self.write_deadline and self._writer is not None and not self._writer.done():
            self._writer.set_exception(ReaderTooSlow("The peer did not read its answer in time."))

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
