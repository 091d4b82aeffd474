"""The operator's port of every role: /livez, /readyz and /metrics, apart from the public one."""

from aiohttp import web

from tacita.service.metrics import CONTENT_TYPE, Metrics
from tacita.service.readiness import Readiness

__all__ = ["create_admin_app"]


def create_admin_app(readiness: Readiness, metrics: Metrics) -> web.Application:
    """Return the application that serves the three paths."""

    async def livez(_request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_request: web.Request) -> web.Response:
        if readiness.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text=f"waiting for: {', '.join(readiness.missing)}\n")

    async def expose(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", expose)])
    return app
