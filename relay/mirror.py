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
    that differs from the time before. `clock` is monotonic, in seconds.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._path = path
        self._media_type = media_type
        self._limits = limits
        self._count = count
        self._report = report
        self._clock = clock
        self._copy: Copy | None = None
        self._result = ""
        self._failures = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a GET or HEAD. Raises `DocumentUnavailable`."""
        copy, now = self._copy, self._clock()
        if copy is None or now - copy.fetched_at > self._limits.stale_seconds:
            raise DocumentUnavailable("The relay has no present copy of this document; try again later.")
        return copy.answer(request, now)

    async def keep(self) -> None:
        """Fetch and refresh until cancelled."""
        wait = 0.0
        while True:
            await asyncio.sleep(wait)
            wait = await self.refresh()

    async def refresh(self) -> float:
        """Look at the origin once; return the seconds to wait before the next look."""
        try:
            self._copy = await self._fetch()
        except FetchFailed as failure:
            self._note(failure.result)
            self._failures += 1
            retry = _FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 10)
            return min(retry, self._limits.refresh_min_seconds)
        self._note("fetched")
        self._failures = 0
        # At half of its life, so that clients are not given a document that is about to expire.
        half = self._copy.document.max_age / 2
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
                self._upstream.request("GET", self._path, [("Accept", self._media_type)]) as answer,
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
