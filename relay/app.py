"""Routes and wiring.

POST /{gateway}                          an encapsulated request, passed on
GET  /{gateway}/keys                     the mirror of the gateway's key configurations,
GET  /{gateway}/challenge                of its token challenge,
GET  /{gateway}/issuer-directory         and of its issuer's directory
GET  /{gateway}/fingerprints             the digests of these, for people
GET  / and /.well-known/tacita-relay     the statement of policy

Gateways come and go (`relay.registry`), so one handler finds what a path is at the moment.
"""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from relay.config import RelayConfig
from relay.gate import Gate
from relay.meters import Meters
from relay.policy import PATHS, Statement
from relay.registry import Registry
from relay.waiting import Waiting
from tacita.net.lane.limits import Limits
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics
from tacita.service.problems import middleware
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["EVENTS", "build"]

EVENTS = {
    "mirror": {"gateway": str, "document": str, "result": str},
    "gateway": {"gateway": str, "change": str},
    "restart_needed": {},
}
"""The relay's log events. None belongs to a request: a line at its time would be a trace of it."""

_WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def build(config: RelayConfig) -> Service:
    """Return the relay's service. Raises `ConfigError`."""
    log = Logger("relay", EVENTS)
    metrics = Metrics("relay")
    readiness = Readiness()
    waiting = Waiting(readiness)

    def seen(gateway: str, document: str, result: str) -> None:
        log.event("mirror", gateway=gateway, document=document, result=result)
        waiting.seen(gateway, document, result)

    def changed(gateway: str, change: str) -> None:
        log.event("gateway", gateway=gateway, change=change)
        if change == "removed":
            waiting.forget(gateway)

    meters = Meters(metrics)
    registry = Registry(meters, seen, changed)
    await registry.apply(config.gateways)
    for leg in registry.legs:
        waiting.begin(leg.config.name, leg.mirrors)
    statement = Statement(config)
    shares = config.limits.per_address
    gate = Gate(shares, meters.refusals.inc) if shares.enabled else None
    app = web.Application(middlewares=[middleware(log)])
    app.on_response_prepare.append(_without_server)
    app.cleanup_ctx.append(registry.run)
    own = {path: {"GET": statement.handle} for path in PATHS}
    app.router.add_route(
        "*", "/{path:.*}", _dispatching(lambda path: own.get(path) or registry.methods(path))
    )

    async def reconfigure(new: RelayConfig) -> None:
        await registry.apply(new.gateways)
        statement.update(new)
        if _fixed(new) != _fixed(config):
            log.event("restart_needed")

    return Service(
        app=app,
        lane=registry.find,
        gate=gate,
        limits=Limits(connections=config.limits.connections),
        listen=config.listen,
        admin=config.admin,
        log=log,
        metrics=metrics,
        readiness=readiness,
        drain_seconds=config.drain_seconds,
        drain_notice_seconds=config.drain_notice_seconds,
        reconfigure=reconfigure,
    )


def _dispatching(methods: Callable[[str], Mapping[str, _WebHandler]]) -> _WebHandler:
    """Return the handler of every path: `methods` says which ones it takes at the moment, if it exists."""

    async def dispatch(request: web.Request) -> web.StreamResponse:
        # As it came, and as the fast lane reads it: a path has one spelling.
        found = methods(request.raw_path.partition("?")[0])
        if not found:
            raise web.HTTPNotFound
        handler = found.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            allowed = {*found, "HEAD"} if "GET" in found else found
            raise web.HTTPMethodNotAllowed(request.method, allowed)
        return await handler(request)

    return dispatch


def _fixed(config: RelayConfig) -> tuple[object, ...]:
    """Return what is taken at the start only."""
    return config.listen, config.admin, config.limits, config.drain_seconds, config.drain_notice_seconds


async def _without_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Do not name the software (aiohttp adds it before this is called)."""
    response.headers.pop("Server", None)
