"""What opens answers: one class for each kind of request, none of which ever raises.

Opening costs the generator 20 to 40 µs, and is what makes the difference between an answer and
something that looks like one: only an authentic one counts.
"""

import json
import time
from collections.abc import Callable

from loadtest.client.outcomes import ANSWERED, Outcome, burnt, inside, outside
from loadtest.prepared.records import Record, pending_of, response_secret
from tacita.bhttp import Content, Event, ResponseDecoder, ResponseHead, decode_response
from tacita.errors import TacitaError
from tacita.ohttp.chunked import ResponseOpener
from tacita.ohttp.errors import ResponseTruncated
from tacita.ohttp.oneshot import ClientContext
from tacita.privacypass.batch import GenericBatchTokenResponse
from tacita.privacypass.types import blind_rsa
from tacita.wire.sse import DONE, EventDecoder

__all__ = ["BatchAnswer", "OneShotAnswer", "StreamAnswer"]

_DATE = "https://iana.org/assignments/http-problem-types#date"


class OneShotAnswer:
    """The answer to a one-shot request; `wanted` is the status inside that is a good one."""

    __slots__ = ("_pieces", "_record", "_wanted")

    def __init__(self, record: Record, wanted: int) -> None:
        self._record = record
        self._wanted = wanted
        self._pieces: list[bytes] = []

    def piece(self, data: bytes, _now: int) -> None:
        """Keep it."""
        self._pieces.append(data)

    def end(self, status: int) -> Outcome:
        """Open it."""
        if status != 200:
            return outside(status)
        try:
            context = ClientContext(response_secret(self._record))
            response = decode_response(context.decapsulate_response(b"".join(self._pieces)))
        except TacitaError:
            return burnt("foreign")
        return _judged(response.head.status, self._wanted, response.content)


class StreamAnswer:
    """The answer to a chunked request, event by event: `on_event` is told when each came."""

    __slots__ = (
        "_body",
        "_decoder",
        "_done",
        "_events",
        "_failure",
        "_on_event",
        "_opener",
        "_status",
        "_wanted",
    )

    def __init__(self, record: Record, wanted: int, on_event: Callable[[int], None]) -> None:
        self._opener = ResponseOpener(response_secret(record))
        self._decoder = ResponseDecoder()
        self._events = EventDecoder()
        self._wanted = wanted
        self._on_event = on_event
        self._status = 0
        self._done = False
        self._body = b""
        self._failure: Outcome | None = None

    def piece(self, data: bytes, now: int) -> None:
        """Open what it completes."""
        if self._failure is not None:
            return
        try:
            for plaintext in self._opener.feed(data):
                self._take(self._decoder.feed(plaintext), now)
        except TacitaError:
            self._failure = burnt("foreign")

    def end(self, status: int) -> Outcome:
        """See that the message and the stream inside have ended."""
        if status != 200:
            return outside(status)
        if self._failure is not None:
            return self._failure
        try:
            now = time.monotonic_ns()
            for plaintext in self._opener.finish():
                self._take(self._decoder.feed(plaintext), now)
            self._decoder.finish()
        except ResponseTruncated:
            return burnt("cut")
        except TacitaError:
            return burnt("foreign")
        if self._status == self._wanted and not self._done:
            return burnt("cut")
        return _judged(self._status, self._wanted, self._body)

    def _take(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, ResponseHead):
                self._status = event.status
            elif isinstance(event, Content) and self._status != self._wanted:
                self._body = (self._body + event.data)[:4096]
            elif isinstance(event, Content):
                for text in self._events.feed(event.data):
                    if text == DONE:
                        self._done = True
                    else:
                        self._on_event(now)


class BatchAnswer:
    """The issuer's answer to a batch of `size` tokens, one of which is finished and verified."""

    __slots__ = ("_digest", "_key", "_pieces", "_record", "_size")

    def __init__(self, record: Record, size: int, key: blind_rsa.PublicKey, digest: bytes) -> None:
        self._record = record
        self._size = size
        self._key = key
        self._digest = digest
        self._pieces: list[bytes] = []

    def piece(self, data: bytes, _now: int) -> None:
        """Keep it."""
        self._pieces.append(data)

    def end(self, status: int) -> Outcome:
        """Count the tokens, and verify one."""
        if status != 200:
            return outside(status)
        try:
            answer = GenericBatchTokenResponse.decode(b"".join(self._pieces), limit=self._size)
            place, pending = pending_of(self._record, self._key, self._digest)
            granted = answer.token_responses
            if len(granted) != self._size or None in granted:
                return burnt("cut")
            mine = granted[place]
            assert mine is not None
            blind_rsa.finalize(pending, blind_rsa.TokenResponse.decode(mine.token_response))
        except TacitaError:
            return burnt("foreign")
        return ANSWERED


def _judged(status: int, wanted: int, content: bytes) -> Outcome:
    if status == wanted or (wanted == 200 and 200 <= status < 300):
        return ANSWERED
    return inside(status, "date" if status == 400 and _is_date(content) else "")


def _is_date(content: bytes) -> bool:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("type") == _DATE
