"""Letting requests end before the process does.

aiohttp's own shutdown stops reading from every connection at once, which starves the
requests whose content is still coming in. So the shell waits here first, and lets
aiohttp close what is left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

__all__ = ["Drain"]

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Drain:
    """Counts the requests of `app` that are under way (before the application is set up)."""

    def __init__(self, app: web.Application) -> None:
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        app.middlewares.insert(0, self._count)
        app.on_response_prepare.append(self._last)

    async def wait(self, seconds: float) -> None:
        """Wait until no request is under way, at most for `seconds`; connections end after their answer."""
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    @web.middleware
    async def _count(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self._under_way += 1
        self._idle.clear()
        try:
            return await handler(request)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _last(self, _request: web.Request, response: web.StreamResponse) -> None:
        if self._draining:
            # Before the head is written, but after aiohttp has chosen its Connection field.
            response.force_close()
            response.headers["Connection"] = "close"
