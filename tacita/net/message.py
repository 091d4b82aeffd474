"""One HTTP request as a handler sees it, whichever way it came in: by the fast lane or by aiohttp.

`tacita.net.lane` serves it straight from the wire, `tacita.net.carried` from an aiohttp
application; a handler is written once and cannot tell them apart. A handler gets the request and
answers it by exactly one of

- `answer`: a whole answer at once (or `send`, which does not wait);
- `begin`, any number of `write`, `end`: an answer in pieces, as they come;

or raises an error of the tree before anything has left, which whoever hosts the handler turns into
an answer. A handler that returns or raises in between has its connection broken off, so that an
answer that was cut never looks whole. A peer that goes away before its answer is complete cancels
the handler.

A handler is an `async def`, which is run as a task of its own. Where a task is too dear it is a
plain callable instead, which is called as soon as the head is there (and the content, if it came
with it) and returns either a coroutine, to be run as such a task after all, or None: it has then
answered, or will do so from a callback, by `send`, `fail` or `go_on` and nothing else; `on_gone` takes
the place of being cancelled. Such a handler cannot wait, so it takes only what needs no waiting:
content that `content` has at once, and answers that it has whole. Where one turns out to be longer,
`go_on` gives it a task after all.

Bodies are bounded by handlers (they know what is allowed where), the times between two pieces by
the host, which a handler may tell to be stricter (`piece_seconds`).
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from tacita.errors import TacitaError

__all__ = [
    "Answer",
    "BodyMalformed",
    "Field",
    "Fields",
    "Handler",
    "HeadMalformed",
    "MessageError",
    "PeerGone",
    "ReaderTooSlow",
    "Render",
    "Request",
    "Routes",
    "SenderTooSlow",
]

Field = tuple[bytes, bytes]
"""Name and value. Names of requests and of answers that we receive are in lower case."""

Fields = tuple[Field, ...]


class MessageError(TacitaError):
    """The request cannot be read, or its answer cannot be written, to the end."""


class HeadMalformed(MessageError):
    """The head of the request is none, or one that two parsers could take for different ones."""

    status = 400
    clause = "RFC 9112, Section 11.2"
    fields: Mapping[str, str] = {"Connection": "close"}


class BodyMalformed(MessageError):
    """The framing of the request's content is broken."""

    status = 400
    clause = "RFC 9112, Section 7.1"
    fields: Mapping[str, str] = {"Connection": "close"}


class SenderTooSlow(MessageError):
    """The next piece of the request did not come in time."""

    status = 408
    fields: Mapping[str, str] = {"Connection": "close"}


class ReaderTooSlow(MessageError):
    """The peer did not read its answer in time."""

    status = 408


class PeerGone(MessageError):
    """The peer's connection broke; nobody is there to be told."""

    status = 400


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    fields: Fields
    content: bytes


Render = Callable[[Exception], Answer]
"""What makes the answer for an exception that a handler raised (and logs it, where it is a defect)."""


class Request(Protocol):
    """A request whose head has arrived; `fields` are in order and with their repetitions."""

    version: tuple[int, int]
    """Of HTTP. In 1.0 the end of an answer without a length is not shown."""
    method: bytes
    target: bytes
    """The request target as received, its query included."""
    fields: Fields
    length: int | None
    """What Content-Length says; None where the content is chunked; 0 where there is none."""
    started: bool
    """Whether anything of the answer has left, so that no other can."""
    ended: bool
    """Whether all of the content has been given out, by `read` or `content`."""
    piece_seconds: float
    """How long the peer may take for each piece, of its content and of its answer. To be set as needed."""
    plan: Any
    """None, or what a handler has set here for the request before on the same connection, if that had
    the same head, byte for byte: what follows from the head need not be worked out again."""
    on_gone: Callable[[], None] | None
    """What to call when the peer goes away before its answer; for handlers that are no task."""

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the field with this lowercase name, in order."""

    def certificate(self) -> bytes | None:
        """Return the certificate (DER) that the peer showed, if it had to show one."""

    def content(self) -> bytes | None:
        """Return the whole content if it has arrived already; None, and nothing is taken, if it has not."""

    async def read(self) -> bytes:
        """Return the next piece of the content as it arrived, empty at the end.

        Raises:
            SenderTooSlow, BodyMalformed, PeerGone
        """

    def send(self, status: int, fields: Iterable[Field], content: bytes) -> None:
        """Send a whole answer without waiting until the peer takes it; its length is written for you.

        Nothing happens where the peer is gone. What it does not take is held meanwhile, but no further
        request is taken from it: once for each connection.
        """

    def fail(self, error: Exception) -> None:
        """Answer as if the handler had raised `error`; for handlers that are no task."""

    def go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as the task of a handler that had none so far; it ends the answer, or raises."""

    async def answer(self, status: int, fields: Iterable[Field], content: bytes) -> None:
        """Send a whole answer; its length is written for you. Raises `PeerGone`, `ReaderTooSlow`."""

    async def begin(self, status: int, fields: Iterable[Field], length: int | None = None) -> None:
        """Send the head of an answer of `length` bytes, or of one whose end is shown by its framing."""

    async def write(self, data: bytes) -> None:
        """Send a piece; returns when the peer can take more. Raises `PeerGone`, `ReaderTooSlow`."""

    async def end(self) -> None:
        """Send the end. Raises `PeerGone`, `ReaderTooSlow`."""

    def break_off(self, *, linger_seconds: float = 30.0) -> None:
        """Close the connection before the end of the answer: it is seen as truncated.

        What was sent may still arrive: a peer that does not read has `linger_seconds` for it.
        """


Handler = Callable[[Request], Coroutine[Any, Any, None] | None]

Routes = Mapping[str, Handler] | Callable[[str], Handler | None]
"""Handlers by path, or what finds them where they come and go. A connection may keep what was found."""
