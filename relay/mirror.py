"""The mirror of one document: fetched from its origin on a schedule, served to all from memory.

Clients never cause a fetch, so that the origin sees nothing of them, not even when they
ask. A copy is replaced only by another good one; when the origin is away, the last good
one is served until it is `stale_seconds` old.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from relay.config import MirrorLimits
from relay.document import Copy
from relay.errors import DocumentUnavailable
from tacita.net.documents import Document, lifetime
from tacita.net.message import Fields
from tacita.net.upstream import (
    Upstream,
    UpstreamError,
    UpstreamResponse,
    UpstreamTimeout,
    UpstreamUnreachable,
)

__all__ = ["FetchFailed", "Mirror"]

_FIRST_RETRY_SECONDS = 0.1


class FetchFailed(Exception):
    """A look at the origin brought no good copy; `result` is one of `FETCH_RESULTS`."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


class Mirror:
    """Keeps the document at `path` of `upstream`, which has to be of `media_type`.

    `count` is told how each look at the origin ended (one of `FETCH_RESULTS`), `report` only when
    that differs from the time before. What `check` denies is no good copy. `clock` is monotonic, `wall`
    tells the time of day; both in seconds.
    """

    def __init__(
        self,
        upstream: Upstream,
        path: str,
        media_type: str,
        limits: MirrorLimits,
        *,
        count: Callable[[str], None],
        report: Callable[[str], None],
        check: Callable[[bytes], bool] = lambda _body: True,
        fields: Fields = (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`fields` are added to what is asked with."""
        self.since = self.confirmed = 0.0
        """When the present bytes were first and last seen at their origin, by the time of day."""
        self._upstream = upstream
        self._path = path
        self._media_type = media_type
        self._fields: Fields = ((b"Accept", media_type.encode()), *fields)
        self._limits = limits
        self._count = count
        self._report = report
        self._check_body = check
        self._clock = clock
        self._wall = wall
        self._copy: Copy | None = None
        self._result = ""
        self._failures = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a GET or HEAD. Raises `DocumentUnavailable`."""
        copy = self.present()
        if copy is None:
            raise DocumentUnavailable("The relay has no present copy of this document; try again later.")
        return copy.answer(request, self._clock())

    @property
    def seen(self) -> bool:
        """Whether there has ever been a good copy."""
        return self._copy is not None

    def present(self) -> Copy | None:
        """Return the copy, unless there is none that is young enough to be served."""
        copy = self._copy
        if copy is None or self._clock() - copy.fetched_at > self._limits.stale_seconds:
            return None
        return copy

    def adopt(self, other: "Mirror") -> None:
        """Begin with the copy of `other`, a mirror of the same document."""
        self._copy, self.since, self.confirmed = other._copy, other.since, other.confirmed

    async def keep(self) -> None:
        """Fetch and refresh until cancelled."""
        wait = 0.0
        while True:
            await asyncio.sleep(wait)
            wait = await self.refresh()

    async def refresh(self) -> float:
        """Look at the origin once; return the seconds to wait before the next look."""
        try:
            copy = await self._fetch()
        except FetchFailed as failure:
            self._note(failure.result)
            self._failures += 1
            retry = _FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 10)
            return min(retry, self._limits.refresh_min_seconds)
        self.confirmed = self._wall()
        if self._copy is None or self._copy.document.body != copy.document.body:
            self.since = self.confirmed
        self._copy = copy
        self._note("fetched")
        self._failures = 0
        # At half of its life, so that clients are not given a document that is about to expire.
        half = copy.document.max_age / 2
        return min(max(half, self._limits.refresh_min_seconds), self._limits.refresh_max_seconds)

    def _note(self, result: str) -> None:
        self._count(result)
        if result != self._result:
            self._result = result
            self._report(result)

    async def _fetch(self) -> Copy:
        # Counted from before the request: the copy is at least as old as that says.
        asked_at = self._clock()
        try:
            async with (
                asyncio.timeout(self._limits.fetch_seconds),
                self._upstream.request("GET", self._path, self._fields) as answer,
            ):
                self._check(answer)
                body = bytearray()
                async for piece in answer.pieces():
                    body += piece
                    if len(body) > self._limits.document_bytes:
                        raise FetchFailed("length")
        except UpstreamUnreachable:
            raise FetchFailed("unreachable") from None
        except (UpstreamTimeout, TimeoutError):
            raise FetchFailed("timeout") from None
        except UpstreamError:
            raise FetchFailed("lost") from None
        if not body:
            raise FetchFailed("length")
        if not self._check_body(bytes(body)):
            raise FetchFailed("form")
        fresh = lifetime(answer.value("Cache-Control"), answer.value("Age"))
        return Copy(Document(bytes(body), self._media_type, fresh), asked_at)

    def _check(self, answer: UpstreamResponse) -> None:
        """Raise `FetchFailed` unless this is the head of a good answer."""
        if answer.status != 200:
            raise FetchFailed("status")
        if answer.media_type != self._media_type:
            raise FetchFailed("media_type")
        if answer.value("Content-Encoding"):
            raise FetchFailed("content_coding")
