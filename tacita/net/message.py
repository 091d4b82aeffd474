"""One HTTP request as a handler sees it, whichever way it came in: by the fast lane or by aiohttp.

`tacita.net.lane` serves it straight from the parser, `tacita.net.carried` from an aiohttp
application; a handler is written once and cannot tell them apart. A handler is an `async def` that
gets the request and answers it by exactly one of

- `answer`: a whole answer at once;
- `begin`, any number of `write`, `end`: an answer in pieces, as they come;

or raises an error of the tree before anything has left, which whoever hosts the handler turns into
an answer. A handler that returns or raises in between has its connection broken off, so that an
answer that was cut never looks whole. A peer that goes away cancels the handler.

Bodies are bounded by handlers (they know what is allowed where), the times between two pieces by
the host.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from tacita.errors import TacitaError

__all__ = [
    "BodyMalformed",
    "Field",
    "Fields",
    "Handler",
    "MessageError",
    "PeerGone",
    "ReaderTooSlow",
    "Request",
    "SenderTooSlow",
]

Field = tuple[bytes, bytes]
"""Name and value. Names of requests and of answers that we receive are in lower case."""

Fields = tuple[Field, ...]


class MessageError(TacitaError):
    """The request cannot be read, or its answer cannot be written, to the end."""


class BodyMalformed(MessageError):
    """The framing of the request's content is broken."""

    status = 400
    clause = "RFC 9112, Section 7.1"


class SenderTooSlow(MessageError):
    """The next piece of the request's content did not come in time."""

    status = 408


class ReaderTooSlow(MessageError):
    """The peer did not read its answer in time."""

    status = 408


class PeerGone(MessageError):
    """The peer's connection broke; nobody is there to be told."""

    status = 400


class Request(Protocol):
    """A request whose head has arrived; `fields` are in order and with their repetitions."""

    method: bytes
    target: bytes
    """The request target as received, its query included."""
    fields: Fields
    length: int | None
    """What Content-Length says; None where the content is chunked; 0 where there is none."""
    started: bool
    """Whether anything of the answer has left, so that no other can."""
    ended: bool
    """Whether all of the content has been given out by `read`."""

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the field with this lowercase name, in order."""

    def certificate(self) -> bytes | None:
        """Return the certificate (DER) that the peer showed, if it had to show one."""

    async def read(self) -> bytes:
        """Return the next piece of the content as it arrived, empty at the end.

        Raises:
            SenderTooSlow, BodyMalformed, PeerGone
        """

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


Handler = Callable[[Request], Coroutine[Any, Any, None]]
