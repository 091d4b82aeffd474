"""The operator's port of every role: /livez, /readyz and /metrics, apart from the public one."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tacita.service.metrics import CONTENT_TYPE, Metrics
from tacita.service.readiness import Readiness

__all__ = ["admin_app", "create_admin_app"]


def create_admin_app(readiness: Readiness, metrics: Metrics) -> web.Application:
    """Return the application that serves the three paths for this process."""

    async def missing() -> list[str]:
        return readiness.missing

    async def render() -> bytes:
        return metrics.render()

    return admin_app(missing, render)


def admin_app(
    missing: Callable[[], Awaitable[list[str]]], render: Callable[[], Awaitable[bytes]]
) -> web.Application:
    """Return the application that serves the three paths: what readiness waits for, and the metrics."""

    async def livez(_request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_request: web.Request) -> web.Response:
        if waits_for := await missing():
            return web.Response(status=503, text=f"waiting for: {', '.join(waits_for)}\n")
        return web.Response(text="ready\n")

    async def expose(_request: web.Request) -> web.Response:
        return web.Response(body=await render(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", expose)])
    return app
