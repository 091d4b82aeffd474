"""Server-sent events, as far as chat completions use them: the data of each event.

Follows the HTML standard, 9.2 "Server-sent events". Other fields (`event`, `id`,
`retry`) and comments are skipped, as the standard has it for fields that a reader
does not know. Stricter than it in two points: data is valid UTF-8, and an event
that is cut off by the end of the stream is an error, not silence.
"""

from contextlib import suppress

from tacita.errors import DecodeError, LimitExceeded

__all__ = ["DONE", "MEDIA_TYPE", "EventDecoder", "EventError", "EventTooLong", "encode"]

MEDIA_TYPE = "text/event-stream"
DONE = "[DONE]"
"""The data of the last event of a complete OpenAI stream."""


class EventError(DecodeError):
    """A stream of events is not valid UTF-8 or was cut off inside an event."""

    clause = "HTML, 9.2.6"


class EventTooLong(LimitExceeded):
    """An event has more bytes than the reader takes."""

    clause = "HTML, 9.2.6"


def encode(data: str) -> bytes:
    """Return one event with `data`, which may have line feeds but no carriage return (it would not survive).

    Raises:
        ValueError: there is a carriage return or a lone surrogate: our own mistake.
    """
    if "\r" in data:
        raise ValueError("a carriage return cannot stand in the data of an event")
    return "".join(f"data: {line}\n" for line in data.split("\n")).encode() + b"\n"


class EventDecoder:
    """Takes the bytes of a stream and returns the data of each event that is complete."""

    def __init__(self, *, limit: int = 1_048_576) -> None:
        """`limit` bounds the bytes of one event."""
        self._limit = limit
        self._pending = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._skip_feed = False
        self._first = True

    def feed(self, data: bytes) -> list[str]:
        """Return the data of the events that `data` completes.

        Raises:
            EventError, EventTooLong
        """
        events = []
        for line in self._split(data):
            if not line:
                if self._lines:
                    events.append(_text(self._lines))
                self._lines, self._size = [], 0
                continue
            self._size += len(line)
            if self._size > self._limit:
                raise EventTooLong("An event of the stream is longer than this reader takes.")
            name, _, value = line.partition(b":")
            if name == b"data":
                self._lines.append(value.removeprefix(b" "))
        if self._size + len(self._pending) > self._limit:
            raise EventTooLong("An event of the stream is longer than this reader takes.")
        return events

    def finish(self) -> None:
        """Say that the stream has ended.

        Raises:
            EventError: it ended inside an event.
        """
        if self._pending or self._lines:
            raise EventError("The stream of events was cut off inside an event.")

    def _split(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes; they end with LF, CR or CRLF."""
        if not data:
            return []  # Nothing has come, so it is still open what the last carriage return belongs to.
        if self._skip_feed:
            # The carriage return before it has already ended the line.
            data = data.removeprefix(b"\n")
            self._skip_feed = False
        whole = self._pending + data
        self._skip_feed = whole.endswith(b"\r")
        *lines, self._pending = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if self._first and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            self._first = False
        return lines


def _text(lines: list[bytes]) -> str:
    with suppress(UnicodeDecodeError):
        return b"\n".join(lines).decode()
    # Out here, so that the decoder's error, which holds the data, is not even chained to ours.
    raise EventError("The data of an event is not valid UTF-8.")
