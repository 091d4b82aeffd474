"""One kept HTTP/1.1 connection: a request at a time, no task, no copy. About 7 µs a request.

Nothing is followed and nothing is retried: a redirect is an answer like any other, a connection
that breaks has burnt what was on it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httptools

from loadtest.client.job import Job
from loadtest.client.outcomes import Outcome, burnt

__all__ = ["Connection"]

_MAX_BODY = 1 << 26
"""Bytes of an answer; what is longer is no answer of ours."""


class Connection(asyncio.Protocol):
    """Owned by a pool: `on_free` hears that it can take the next job, `on_lost` that it is gone."""

    __slots__ = (
        "_bytes",
        "_ended",
        "_finish",
        "_free",
        "_keep",
        "_lost",
        "_more",
        "_parser",
        "_status",
        "_transport",
        "idle_since",
        "job",
    )

    def __init__(
        self,
        finish: Callable[[Job, Outcome, int], None],
        on_free: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self._finish = finish
        self._free = on_free
        self._lost = on_lost
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._bytes = 0
        self._ended = 0
        self._status = 0
        self._keep = False
        self._more = False
        self.job: Job | None = None
        self.idle_since = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, job: Job) -> None:
        """Send `job`. Only while there is none under way."""
        self.job = job
        self._bytes = 0
        job.sent = time.monotonic_ns()
        self._transport.write(job.wire)

    def abort(self, outcome: Outcome) -> None:
        """Give up: what is under way ends with `outcome`."""
        job, self.job = self.job, None
        if self._transport is not None:
            self._transport.abort()
        if job is not None:
            self._finish(job, outcome, time.monotonic_ns())

    def data_received(self, data: bytes) -> None:
        if self.job is None:
            # Bytes that nobody asked for: whatever comes next would be read as their continuation.
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._ended:
                self.abort(burnt("malformed"))
                return
            self._more = True
        if self._ended:
            self._complete()

    def on_message_begin(self) -> None:
        # Behind a whole answer: another one, which nobody asked for.
        self._more = bool(self._ended)

    def on_body(self, data: bytes) -> None:
        job = self.job
        if job is None or self._ended:
            return
        self._bytes += len(data)
        if self._bytes > _MAX_BODY:
            self.abort(burnt("malformed"))
        else:
            job.answer.piece(data, time.monotonic_ns())

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self._ended and not 100 <= status < 200:
            # The time is taken before the answer is opened, which is our work and not the target's.
            self._ended, self._status = time.monotonic_ns(), status
            self._keep = self._parser.should_keep_alive()

    def _complete(self) -> None:
        """End the job. Not in the parser's callback: the next one must not be sent while it still reads."""
        job, now = self.job, self._ended
        keep = self._keep and not self._more and not self._transport.is_closing()
        self.job, self._ended, self._more = None, 0, False
        self._parser = httptools.HttpResponseParser(self)
        if job is not None:
            self._finish(job, job.answer.end(self._status), now)
        if keep:
            self.idle_since = now
            self._free(self)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        job, self.job = self.job, None
        self._lost(self)
        if job is not None:
            self._finish(job, burnt("lost"), time.monotonic_ns())

    def close(self) -> None:
        """Close an idle connection."""
        self._transport.close()
