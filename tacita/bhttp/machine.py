"""The state machine that both decoders are: every form of RFC 9292, in pieces of any size.

Strategy. A message is a row of parts, and the decoder is in exactly one of them:

    framing -> control -> header -> length -> content -> trailer -> padding
                  ^          |        ^          |
                  +----------+        +----------+
               informational only   indeterminate only

Each state is one function. It looks at the bytes from an offset on and either consumes
its part (emits events, picks the next state, returns the new offset) or consumes
nothing, notes how many bytes it needs, and returns -1. Bytes that a state could not
use yet are kept, and nothing is looked at again before the noted number is there: a
peer that sends single bytes buys no quadratic work.

What is kept is at most one piece of control data or one field section, both bounded.
Content is never kept: what has arrived is handed out, in both forms. Padding is
checked and dropped.

A message may end early only where all that is missing would be zero (Section 3.8).
Those places are exactly where a part has not begun whose every successor may be empty;
`_may_end` is true there and nowhere else. `End` comes from `finish` alone, because only
the end of the bytes tells that no wrong padding follows.

Both decoders share all states but control: what differs is what stands before the
header section, and what a header section completes.
"""

from collections.abc import Callable
from typing import ClassVar

from tacita.bhttp.errors import InvalidPadding, OutOfOrder, TruncatedMessage, UnexpectedFraming
from tacita.bhttp.messages import Content, End, Event, Fields, Trailers
from tacita.bhttp.sections import KnownSection, OpenSection, integer
from tacita.errors import TacitaError

__all__ = ["Machine", "State"]

State = Callable[["Machine", bytes, int, list[Event]], int]


class Machine:
    """The states that requests and responses share."""

    __slots__ = (
        "_is_known",
        "_may_end",
        "_need",
        "_pending",
        "_remaining",
        "_section",
        "_section_limit",
        "_state",
    )

    _known: ClassVar[int]
    """Framing indicator of the known-length form; the other one is larger by two."""

    def __init__(self, section_limit: int) -> None:
        # A plain function instead of a bound method: a decoder is no cycle for the collector.
        self._state: State = Machine._framing
        self._section_limit = section_limit
        self._pending = bytearray()
        self._need = 1
        self._may_end = False
        self._is_known = True
        self._section: KnownSection | OpenSection
        self._remaining = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the message; return what they complete, oldest first.

        When an error is raised, the events that came before it in the same bytes are lost with it.

        Raises:
            InvalidMessage: a rule of RFC 9292 is broken; the leaf says which.
            FieldsTooLarge, ControlDataTooLarge, TooManyInformational: a bound is exceeded.
            OutOfOrder: the decoder has finished or has refused the message before.
        """
        if self._pending:
            self._pending += data
            if len(self._pending) < self._need:
                return []
            data = bytes(self._pending)
            self._pending.clear()
        events: list[Event] = []
        offset = 0
        try:
            while (after := self._state(self, data, offset, events)) >= 0:
                offset = after
        except TacitaError:
            self._state = Machine._over
            raise
        if offset < len(data):
            self._pending += data[offset:]
        return events

    def finish(self) -> list[Event]:
        """Take the end of the bytes; return the events that it completes, `End` the last of them.

        Raises:
            TruncatedMessage: Section 3.8 does not allow the message to end here.
            OutOfOrder: as `feed`.
        """
        events: list[Event] = []
        state = self._state
        try:
            if state is Machine._over:
                state(self, b"", 0, events)
            if self._pending or not self._may_end:
                raise TruncatedMessage("A message ends before it is complete; send all of it.")
            if state is Machine._header:
                self._head((), events)
        finally:
            self._state = Machine._over
        events.append(End())
        return events

    def _control(self, data: bytes, offset: int, events: list[Event]) -> int:
        """Read the control data, and turn to the header section."""
        raise NotImplementedError

    def _head(self, fields: Fields, events: list[Event]) -> None:
        """Emit the head that a header section has completed, and pick the next state."""
        raise NotImplementedError

    def _framing(self, data: bytes, offset: int, events: list[Event]) -> int:
        indicator, end = integer(data, offset)
        if indicator < 0:
            return self._wait(end - offset)
        if indicator not in (self._known, self._known + 2):
            raise UnexpectedFraming("The framing indicator is not one of the expected kind of message.")
        self._is_known = indicator == self._known
        self._section = (KnownSection if self._is_known else OpenSection)(self._section_limit)
        self._expect_control()
        return end

    def _header(self, data: bytes, offset: int, events: list[Event]) -> int:
        fields, after = self._section_read(data, offset)
        if fields is not None:
            self._head(fields, events)
        return after

    def _length(self, data: bytes, offset: int, events: list[Event]) -> int:
        """The length of known-length content, or of the next chunk of the other form."""
        length, end = integer(data, offset)
        if length < 0:
            return self._wait(end - offset)
        if length:
            self._remaining = length
            self._state = Machine._content
            self._may_end = False
        else:
            self._expect_section(Machine._trailer, may_end=True)
        return end

    def _content(self, data: bytes, offset: int, events: list[Event]) -> int:
        piece = data[offset : offset + self._remaining]
        if not piece:
            return self._wait(1)
        events.append(Content(piece))
        self._remaining -= len(piece)
        if not self._remaining:
            if self._is_known:
                self._expect_section(Machine._trailer, may_end=True)
            else:
                # Content is there, so its terminator must be, too.
                self._state = Machine._length
        return offset + len(piece)

    def _trailer(self, data: bytes, offset: int, events: list[Event]) -> int:
        fields, after = self._section_read(data, offset)
        if fields is not None:
            if fields:
                events.append(Trailers(fields))
            self._state = Machine._padding
            self._may_end = True
        return after

    def _padding(self, data: bytes, offset: int, events: list[Event]) -> int:
        if offset == len(data):
            return self._wait(1)
        if data.count(0, offset) != len(data) - offset:
            raise InvalidPadding("Something other than zeros follows the message; pad with zeros only.")
        return len(data)

    def _over(self, data: bytes, offset: int, events: list[Event]) -> int:
        raise OutOfOrder("This decoder has ended or refused its message; take a new one for each message.")

    def _expect_control(self) -> None:
        self._state = type(self)._control
        self._may_end = False

    def _expect_length(self) -> None:
        self._state = Machine._length
        self._may_end = True

    def _wait(self, need: int) -> int:
        self._need = need
        return -1

    def _expect_section(self, state: State, *, may_end: bool) -> None:
        self._state = state
        self._may_end = may_end

    def _section_read(self, data: bytes, offset: int) -> tuple[Fields | None, int]:
        """Read a section; return its lines, or None while it is incomplete, and what the state returns."""
        section = self._section
        fields, after = section.read(data, offset)
        if fields is not None:
            return fields, after
        if section.begun:
            self._may_end = False
        # Lines that were read are consumed; only a call that finds none has to wait.
        return None, after if after > offset else self._wait(section.missing)
