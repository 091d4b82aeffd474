"""The gateway's routes, and the wiring of its parts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from aiohttp import web

from gateway.admission import Admission
from gateway.config import GatewayConfig
from gateway.exchange import Exchange
from gateway.front import Front
from gateway.issuers import IssuerKeys
from gateway.keys import Keyring
from gateway.messages import Messages
from gateway.observe import Observations
from gateway.offers import offers_of
from gateway.publish import KeysEndpoint, challenge_document
from gateway.replay import Replays, longest_seconds
from gateway.targets import open_routes
from gateway.turnover import EVENTS as TURNOVER_EVENTS
from gateway.turnover import Turnover
from gateway.upkeep import CONDITIONS, Stores
from gateway.upkeep import EVENTS as UPKEEP_EVENTS
from tacita.net.message import Request
from tacita.service import problems
from tacita.service.documents import serve_document
from tacita.service.logs import Logger, Value
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["CHALLENGE_PATH", "EVENTS", "MESSAGE_PATH", "build"]

MESSAGE_PATH = "/.well-known/ohttp-gateway"
"""RFC 9540, Section 4: GET gives the key configurations, POST takes messages."""

CHALLENGE_PATH = "/challenge"

EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    **TURNOVER_EVENTS,
    **UPKEEP_EVENTS,
    "issuer_directory_failed": {"issuer": int, "kind": str},
}


async def build(config: GatewayConfig, clock: Callable[[], float] = time.time) -> Service:
    """Return the gateway that `config` describes.

    Raises:
        ConfigError: a key, store or target cannot be used as configured.
        ClockSetBack, ClockAhead: the clock cannot be right; see docs/rotation.md.
    """
    log = Logger("gateway", EVENTS)
    metrics = Metrics("gateway")
    observed = Observations(metrics)
    front = Front(config.listen, observed)
    # The keys of one issuer are enough: those of another that is away are missed inside, token by token.
    readiness = Readiness(["issuer_keys", "keys", *CONDITIONS])
    keyring = Keyring(config.keys, clock=clock)
    fatal = asyncio.get_running_loop().create_future()
    turnover = Turnover(keyring, log, readiness, fatal, metrics)
    turnover.begin()
    issuers = [
        IssuerKeys(issuer, clock, log, number=number) for number, issuer in enumerate(config.issuers, 1)
    ]
    offers = offers_of(issuers, config.authority)
    for issuer in issuers:
        await asyncio.to_thread(issuer.check)
    stores = await Stores.open(config.store)
    replays = Replays(
        stores.replay,
        config.keys,
        lambda: keyring.shown,
        observed,
        date_window=config.limits.date_window_seconds,
        room=max(1, int(config.replay.requests_per_second * longest_seconds(config.keys))),
    )

    app = web.Application(middlewares=[problems.middleware(log)])
    app.on_response_prepare.append(_without_server)

    async def run(app: web.Application) -> AsyncIterator[None]:
        async with (
            stores.closing(),
            open_routes(config.targets, config.limits, config.token) as routes,
        ):
            admission = Admission(offers, stores.spent, observed, clock)
            exchange = Exchange(routes, admission, replays, config.limits, clock)
            app[_MESSAGES] = Messages(
                lambda: keyring.shown.keys, exchange, config.token, config.limits, observed
            )
            tasks = [
                asyncio.create_task(turnover.keep()),
                *(
                    asyncio.create_task(issuer.keep_fresh(lambda: readiness.set("issuer_keys", holds=True)))
                    for issuer in issuers
                ),
                *map(asyncio.create_task, stores.keep(readiness, log, clock)),
            ]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def post(request: Request) -> Coroutine[Any, Any, None]:
        return app[_MESSAGES].post(request, relay=front.relay_of(request))

    app.cleanup_ctx.append(run)
    keys = KeysEndpoint(lambda: keyring.shown, config.key_max_age_seconds, clock=clock)
    app.router.add_get(MESSAGE_PATH, front.guarded(keys.handle))
    document = challenge_document(offers, config.token, config.key_max_age_seconds)
    app.router.add_get(CHALLENGE_PATH, front.guarded(serve_document(document)))
    return Service(
        app,
        config.listen,
        config.admin,
        log,
        metrics,
        readiness,
        drain_seconds=config.drain_seconds,
        fatal=fatal,
        lane={MESSAGE_PATH: post},
        reload=(turnover.look, front.reload),
    )


_MESSAGES = web.AppKey("messages", Messages)


async def _without_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Do not name the software (aiohttp adds it before this is called)."""
    response.headers.pop("Server", None)
