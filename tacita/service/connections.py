"""aiohttp's connections, with our answer to what its parser refuses.

By itself aiohttp answers with a page of its own that names the software and repeats what the peer sent, and
writes a line about it. A peer can cause that at will, so here it is a problem document and no line at all.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.web_request import BaseRequest

from tacita.net.message import HeadMalformed
from tacita.service.problems import web_response

__all__ = ["KEEP_ALIVE_SECONDS", "connections"]

KEEP_ALIVE_SECONDS = 75.0
"""nginx: keepalive_timeout 75s (aiohttp would keep an idle or half-said request for an hour)."""


def connections(server: web.Server) -> Callable[[], asyncio.Protocol]:
    """Return a protocol factory that makes connections of `server`."""
    loop = asyncio.get_running_loop()
    return lambda: _Connection(
        server,
        loop=loop,
        access_log=None,  # type: ignore[arg-type]  # None is what aiohttp itself passes on
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        # Content codings are the applications' business: what a peer packed is not blown up behind them.
        auto_decompress=False,
    )


class _Refusal(web.Response):
    async def _prepare_headers(self) -> None:
        # No public hook is called for an answer that belongs to no application.
        await super()._prepare_headers()
        self.headers.pop("Server", None)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:  # a defect: the application answers for whatever a handler raises
            return super().handle_error(request, status, exc, message)
        if request.writer.output_size:
            raise ConnectionError
        told = web_response(HeadMalformed("The request is malformed or too long."))
        refusal = _Refusal(status=told.status, body=told.body, headers=told.headers)
        refusal.force_close()
        return refusal
