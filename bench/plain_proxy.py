"""What the relay is measured against: an aiohttp application and a ClientSession, nothing else."""

import sys
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web


def main() -> None:
    """Forward everything on port `argv[1]` to the origin `argv[2]`."""
    port, origin = int(sys.argv[1]), sys.argv[2]
    app = web.Application()

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(auto_decompress=False) as opened:
            app[_SESSION] = opened
            yield

    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        async with request.app[_SESSION].request(request.method, origin + request.path, data=body) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )

    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


_SESSION = web.AppKey("session", aiohttp.ClientSession)

if __name__ == "__main__":
    main()
