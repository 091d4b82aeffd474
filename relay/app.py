"""Routes and wiring.

POST /{gateway}                          an encapsulated request, passed on
GET  /{gateway}/keys                     the mirror of the gateway's key configurations,
GET  /{gateway}/challenge                of its token challenge,
GET  /{gateway}/issuer-directory         and of its issuer's directory
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from ssl import SSLContext

from aiohttp import web

from relay.config import GatewayConfig, RelayConfig, split_url
from relay.document import DOCUMENTS
from relay.forward import Forwarder
from relay.meters import Meters
from relay.mirror import Mirror
from tacita.net import tls
from tacita.net.upstream import Upstream
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics
from tacita.service.problems import middleware
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["EVENTS", "build"]

EVENTS = {"mirror": {"gateway": str, "document": str, "result": str}}
"""The relay's log events. None belongs to a request: a line at its time would be a trace of it."""


async def build(config: RelayConfig) -> Service:
    """Return the relay's service. Raises `ConfigError`."""
    log = Logger("relay", EVENTS)
    metrics = Metrics("relay")
    meters = Meters(metrics)
    readiness = Readiness(
        f"{gateway.name}/{document}" for gateway in config.gateways for document in DOCUMENTS
    )
    context = tls.client_context()
    app = web.Application(middlewares=[middleware(log)])
    app.on_response_prepare.append(_without_server)
    for gateway in config.gateways:
        if not gateway.mirror_only:
            _add_forwarder(app, gateway, context, meters)
        report = _reporter(gateway.name, log, readiness)
        _add_mirrors(app, gateway, context, meters, report)
    return Service(
        app=app,
        listen=config.listen,
        admin=config.admin,
        log=log,
        metrics=metrics,
        readiness=readiness,
        drain_seconds=config.drain_seconds,
        drain_notice_seconds=config.drain_notice_seconds,
    )


def _add_forwarder(app: web.Application, gateway: GatewayConfig, context: SSLContext, meters: Meters) -> None:
    origin, path = split_url(gateway.url)
    upstream = Upstream(
        origin,
        tls=context,
        connections=gateway.limits.connections,
        connect_seconds=gateway.limits.connect_seconds,
        read_seconds=gateway.limits.gateway_piece_seconds,
    )

    async def pool(_app: web.Application) -> AsyncIterator[None]:
        async with upstream:
            yield

    app.cleanup_ctx.append(pool)
    app.router.add_post(f"/{gateway.name}", Forwarder(upstream, path, gateway.limits, meters).handle)


def _add_mirrors(
    app: web.Application,
    gateway: GatewayConfig,
    context: SSLContext,
    meters: Meters,
    report: Callable[[str, str], None],
) -> None:
    urls = {
        "keys": gateway.url,
        "challenge": gateway.challenge_url,
        "issuer-directory": gateway.issuer_directory_url,
    }
    upstreams: list[Upstream] = []
    mirrors: list[Mirror] = []
    for document, url in urls.items():
        origin, path = split_url(url)
        # A pool of its own: a refresh never waits for clients' requests.
        upstream = Upstream(
            origin, tls=context, connections=1, connect_seconds=gateway.limits.connect_seconds
        )
        mirror = Mirror(
            upstream,
            path,
            DOCUMENTS[document],
            gateway.mirror,
            count=meters.fetches.inc,
            report=partial(report, document),
        )
        upstreams.append(upstream)
        mirrors.append(mirror)
        app.router.add_get(f"/{gateway.name}/{document}", mirror.handle)

    async def keep(_app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for upstream in upstreams:
                await stack.enter_async_context(upstream)
            tasks = [asyncio.create_task(mirror.keep()) for mirror in mirrors]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    app.cleanup_ctx.append(keep)


def _reporter(gateway: str, log: Logger, readiness: Readiness) -> Callable[[str, str], None]:
    def report(document: str, result: str) -> None:
        log.event("mirror", gateway=gateway, document=document, result=result)
        if result == "fetched":
            # From now on for good: taking the relay out of service would not bring the origin
            # back, and would stop the clients that have their documents.
            readiness.set(f"{gateway}/{document}", holds=True)

    return report


async def _without_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Do not name the software (aiohttp adds it before this is called)."""
    response.headers.pop("Server", None)
