"""The issuer's routes and wiring."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import web

from issuer.attesters import Attester
from issuer.attesters.choice import attester_of
from issuer.config import IssuerConfig
from issuer.directory import WELL_KNOWN, DirectoryEndpoint
from issuer.issuance import Issuance
from issuer.keys import IssuerKeys, KeySource, fixed
from issuer.limits import Limits
from issuer.meters import Meters
from issuer.quota import Quota
from issuer.quota.choice import open_quota
from issuer.signers.choice import open_engine
from issuer.token_requests import PATH, TokenRequestEndpoint, longest_body
from issuer.turnover import EVENTS as TURNOVER_EVENTS
from issuer.turnover import Turnover
from tacita.errors import TacitaError
from tacita.net.carried import carried
from tacita.net.message import Handler
from tacita.privacypass.extensions import ExpirationPolicy
from tacita.privacypass.issuing import IssuingKeys
from tacita.service import problems
from tacita.service.logs import Logger, Value
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["EVENTS", "assemble", "build", "create_app"]

EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    **TURNOVER_EVENTS,
    "condition_lost": {"condition": str},
    "condition_regained": {"condition": str},
}

_CHECK_SECONDS = 1.0
_FORGET_SECONDS = 60.0


async def build(config: IssuerConfig) -> Service:
    """Return the issuer of `config`. Raises `TacitaError` where its files or the clock cannot be used."""
    log = Logger("issuer", EVENTS)
    engine = open_engine(config.signer)
    keys = IssuerKeys.of(config.keys, kinds=engine.kinds)
    fatal = asyncio.get_running_loop().create_future()
    turnover = Turnover(keys, log, fatal)
    turnover.begin(may_begin=config.keys.create_key)
    attester = attester_of(config.attester, config.tiers)
    quota = await open_quota(config.quota)
    metrics = Metrics("issuer")
    readiness = Readiness(["attester", "keys", "quota"])
    app, lane = assemble(
        config.public_url,
        keys=keys.present,
        attester=attester,
        quota=quota,
        limits=config.limits,
        expiration=config.expiration.policy,
        presentation_limit=config.credentials_for,
        meters=Meters(metrics),
        log=log,
    )
    checks = {"attester": attester.check, "keys": turnover.check, "quota": quota.check}

    async def background(_app: web.Application) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(turnover.keep()),
            asyncio.create_task(_watch(readiness, log, checks)),
            asyncio.create_task(_forget(quota)),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def signing(_app: web.Application) -> AsyncIterator[None]:
        yield
        engine.close()

    # Closed in reverse order: whoever still signs does so before the engine goes.
    app.cleanup_ctx.insert(0, signing)
    app.cleanup_ctx.append(background)
    return Service(
        app,
        config.listen,
        config.admin,
        log,
        metrics,
        readiness,
        drain_seconds=config.drain_seconds,
        # The directory is for everybody; the attester refuses whoever has no certificate.
        client_certificate_optional=True,
        fatal=fatal,
        lane=lane,
    )


def create_app(
    public_url: str,
    *,
    keys: KeySource | IssuingKeys,
    attester: Attester,
    quota: Quota,
    limits: Limits | None = None,
    expiration: ExpirationPolicy | None = None,
    presentation_limit: int | None = None,
    meters: Meters | None = None,
    log: Logger | None = None,
) -> web.Application:
    """Return the application that issues under `keys`; closing it closes `attester` and `quota`.

    It serves by itself or mounted in another (docs/issuer.md, Embedding). Clients reach it under
    `public_url`: an origin, and the prefix it is mounted at, if any. `keys` that turn over are given
    as a function that is asked at each request. `expiration` is what type 0xDA7A may ask for;
    without it that type is not granted. Likewise a credential of type 0xE5AC, which costs
    `presentation_limit` tokens. `meters` and `log` default to metrics that nobody collects and to
    standard error.
    """
    app, lane = assemble(
        public_url,
        keys=fixed(keys) if isinstance(keys, IssuingKeys) else keys,
        attester=attester,
        quota=quota,
        limits=limits or Limits(),
        expiration=expiration,
        presentation_limit=presentation_limit,
        meters=meters or Meters(Metrics("issuer")),
        log=log or Logger("issuer", EVENTS),
    )
    for path, handler in lane.items():
        app.router.add_post(path, carried(handler))
    return app


def assemble(
    public_url: str,
    *,
    keys: KeySource,
    attester: Attester,
    quota: Quota,
    limits: Limits,
    expiration: ExpirationPolicy | None = None,
    presentation_limit: int | None = None,
    meters: Meters,
    log: Logger,
) -> tuple[web.Application, Mapping[str, Handler]]:
    """Return the application, and by path what is not in it yet: for the fast lane, or to be `carried`."""
    issuance = Issuance(
        keys,
        quota,
        max_batch=limits.max_batch,
        threads=limits.threads,
        max_waiting=limits.max_waiting,
        expiration=expiration,
        presentation_limit=presentation_limit,
        signing=meters.signing.observe,
    )
    tokens = TokenRequestEndpoint(
        attester,
        issuance,
        meters,
        max_body=longest_body(limits.max_batch),
        max_pending=limits.max_pending,
        max_pending_of_account=limits.max_pending_of_account,
        body_seconds=limits.body_seconds,
    )
    directory = DirectoryEndpoint(keys, public_url, limits.directory_max_age_seconds)

    async def resources(_app: web.Application) -> AsyncIterator[None]:
        async with attester, quota, issuance:
            yield

    app = web.Application(middlewares=[problems.middleware(log)])
    app.cleanup_ctx.append(resources)
    app.add_routes([web.get(WELL_KNOWN, directory.handle)])
    return app, {PATH: tokens.handle}


async def _watch(
    readiness: Readiness, log: Logger, checks: Mapping[str, Callable[[], Awaitable[None]]]
) -> None:
    """Keep `readiness` true to what `checks` say, and log each change."""
    holds: dict[str, bool] = {}
    while True:
        for condition, check in checks.items():
            try:
                await check()
            except TacitaError:
                now = False
            except Exception as defect:
                log.internal_error(defect)
                now = False
            else:
                now = True
            if holds.get(condition, True) != now:
                log.event("condition_regained" if now else "condition_lost", condition=condition)
            holds[condition] = now
            readiness.set(condition, now)
        await asyncio.sleep(_CHECK_SECONDS)


async def _forget(quota: Quota) -> None:
    """Drop the records of a period soon after it is over. The watch reports what stands in the way."""
    while True:
        with suppress(TacitaError):
            await quota.forget_past()
        await asyncio.sleep(_FORGET_SECONDS)
