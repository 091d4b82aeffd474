"""The two ways in which an issuer's application is served: by the shell, on the fast lane, and embedded."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from issuer.app import assemble, create_app
from tacita.service.listening import Public, serving
from tacita.service.logs import Logger

__all__ = ["HOSTS", "hosted"]

HOSTS = ("by the shell", "embedded")


@asynccontextmanager
async def hosted(
    by: str, *about: Any, log: Logger, tls: ssl.SSLContext | None = None, **more: Any
) -> AsyncIterator[int]:
    """Serve what `create_app(*about, log=log, **more)` makes in one of the `HOSTS`; give the port."""
    if by == "by the shell":
        app, lane = assemble(*about, log=log, **more)
        async with serving(Public(app, lane, log), context=tls) as public:
            yield public.port
        return
    runner = web.AppRunner(
        create_app(*about, log=log, **more), access_log=None, handler_cancellation=True, shutdown_timeout=1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
