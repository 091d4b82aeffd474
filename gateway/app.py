"""The gateway's routes, and the wiring of its parts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.admission import Admission
from gateway.config import GatewayConfig, StoreConfig
from gateway.exchange import Exchange
from gateway.issuers import IssuerKeys
from gateway.keys import Keyring
from gateway.messages import Messages
from gateway.observe import Observations
from gateway.publish import KeysEndpoint, challenge_document
from gateway.stores import open_store
from gateway.targets import open_routes
from gateway.turnover import EVENTS as TURNOVER_EVENTS
from gateway.turnover import Turnover
from tacita.errors import TacitaError
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.spent import SpentStore
from tacita.privacypass.types import blind_rsa
from tacita.service import problems
from tacita.service.documents import serve_document
from tacita.service.logs import Logger, Value
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["CHALLENGE_PATH", "MESSAGE_PATH", "build"]

MESSAGE_PATH = "/.well-known/ohttp-gateway"
"""RFC 9540, Section 4: GET gives the key configurations, POST takes messages."""

CHALLENGE_PATH = "/challenge"

_EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    **TURNOVER_EVENTS,
    "issuer_directory_failed": {"kind": str},
    "spent_keys_dropped": {"count": int},
    "store_failed": {"kind": str},
    "store_regained": {},
}
_STORE_CHECK_SECONDS = 5.0
_DROP_SECONDS = 3600.0


async def build(config: GatewayConfig, clock: Callable[[], float] = time.time) -> Service:
    """Return the gateway that `config` describes.

    Raises:
        ConfigError: a key, store or target cannot be used as configured.
        ClockSetBack, ClockAhead: the clock cannot be right; see docs/rotation.md.
    """
    log = Logger("gateway", _EVENTS)
    metrics = Metrics("gateway")
    observed = Observations(metrics)
    readiness = Readiness(["issuer_keys", "keys", "store"])
    challenge = TokenChallenge(blind_rsa.TOKEN_TYPE, config.issuer.name, b"", (config.authority,))
    keyring = Keyring(config.keys, clock=clock)
    fatal = asyncio.get_running_loop().create_future()
    turnover = Turnover(keyring, log, readiness, fatal, clock)
    turnover.begin()
    issuer = IssuerKeys(config.issuer, clock, log)
    store = await _open_store(config.store)

    app = web.Application(middlewares=[problems.middleware(log)])
    app.on_response_prepare.append(_without_server)

    async def run(app: web.Application) -> AsyncIterator[None]:
        async with (
            _closing(store),
            open_routes(config.targets, config.limits, config.token.seconds) as routes,
        ):
            admission = Admission(challenge, issuer, store, observed)
            exchange = Exchange(routes, admission, config.limits, clock)
            app[_MESSAGES] = Messages(
                lambda: keyring.shown.keys, exchange, config.token, config.limits, observed
            )
            tasks = [
                asyncio.create_task(turnover.keep()),
                asyncio.create_task(issuer.keep_fresh(lambda: readiness.set("issuer_keys", holds=True))),
                asyncio.create_task(_watch(store, readiness, log)),
                asyncio.create_task(_drop_dead_keys(store, clock, log)),
            ]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def post(request: web.Request) -> web.StreamResponse:
        return await request.app[_MESSAGES].post(request)

    app.cleanup_ctx.append(run)
    keys = KeysEndpoint(lambda: keyring.shown, config.key_max_age_seconds, clock=clock)
    app.router.add_get(MESSAGE_PATH, keys.handle)
    document = challenge_document(challenge, config.token, config.key_max_age_seconds)
    app.router.add_get(CHALLENGE_PATH, serve_document(document))
    app.router.add_post(MESSAGE_PATH, post)
    return Service(
        app,
        config.listen,
        config.admin,
        log,
        metrics,
        readiness,
        drain_seconds=config.drain_seconds,
        fatal=fatal,
    )


_MESSAGES = web.AppKey("messages", Messages)


async def _open_store(config: StoreConfig) -> SpentStore:
    if config.sqlite is not None:
        return await open_store(str(config.sqlite))
    assert config.redis is not None
    return await open_store(
        config.redis, password_file=config.redis_password, accept_replicas=config.accept_replicas
    )


@asynccontextmanager
async def _closing(store: SpentStore) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await store.close()


async def _without_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Do not name the software (aiohttp adds it before this is called)."""
    response.headers.pop("Server", None)


async def _watch(store: SpentStore, readiness: Readiness, log: Logger) -> None:
    """Keep the readiness condition true to the store, and log each change."""
    held = True
    while True:
        failed = ""
        try:
            await store.check()
        except TacitaError as error:
            failed = type(error).__name__
        except Exception as defect:
            log.internal_error(defect)
            failed = type(defect).__name__
        if failed and held:
            log.event("store_failed", kind=failed)
        elif not failed and not held:
            log.event("store_regained")
        held = not failed
        readiness.set("store", holds=held)
        await asyncio.sleep(_STORE_CHECK_SECONDS)


async def _drop_dead_keys(store: SpentStore, clock: Callable[[], float], log: Logger) -> None:
    """Forget the spent tokens of keys that have died, now and then."""
    while True:
        try:
            if count := await store.drop_expired(int(clock())):
                log.event("spent_keys_dropped", count=count)
        except TacitaError:
            pass  # The watch reports what stands in the way.
        except Exception as defect:
            log.internal_error(defect)
        await asyncio.sleep(_DROP_SECONDS)
