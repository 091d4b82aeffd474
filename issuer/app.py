"""The issuer's routes and wiring."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import web

from issuer.attesters import Attester
from issuer.attesters.choice import attester_of
from issuer.config import IssuerConfig
from issuer.directory import WELL_KNOWN, DirectoryEndpoint
from issuer.issuance import Issuance
from issuer.keys import IssuerKeys, KeySource
from issuer.meters import Meters
from issuer.quota import Quota, load_hash_key
from issuer.token_requests import PATH, TokenRequestEndpoint, longest_body
from issuer.turnover import EVENTS as TURNOVER_EVENTS
from issuer.turnover import Turnover
from tacita.errors import TacitaError
from tacita.service import problems
from tacita.service.logs import Logger, Value
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["EVENTS", "build", "create_app"]

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
    keys = IssuerKeys.of(config.keys)
    fatal = asyncio.get_running_loop().create_future()
    turnover = Turnover(keys, log, fatal)
    turnover.begin(may_begin=config.keys.create_key)
    attester = attester_of(config.attester, config.tiers)
    quota = Quota(config.quota.database, load_hash_key(config.quota.hash_key), config.quota.period_seconds)
    await quota.check()
    metrics = Metrics("issuer")
    readiness = Readiness(["attester", "keys", "quota"])
    app = create_app(
        config, keys=keys.present, attester=attester, quota=quota, meters=Meters(metrics), log=log
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
    )


def create_app(
    config: IssuerConfig,
    *,
    keys: KeySource,
    attester: Attester,
    quota: Quota,
    meters: Meters,
    log: Logger,
) -> web.Application:
    """Return the application that issues under `keys`; closing it closes `attester` and `quota`.

    `keys` is asked at each request; `issuer.keys.fixed` makes a source of keys that do not turn over.
    """
    issuance = Issuance(
        keys,
        quota,
        max_batch=config.max_batch,
        threads=os.cpu_count() or 1,
        signing=meters.signing.observe,
    )
    tokens = TokenRequestEndpoint(
        attester,
        issuance,
        meters,
        max_body=longest_body(config.max_batch),
        max_pending=config.max_pending,
        body_seconds=config.body_seconds,
    )
    directory = DirectoryEndpoint(keys, config.public_url, config.directory_max_age_seconds)

    async def resources(_app: web.Application) -> AsyncIterator[None]:
        async with attester, quota, issuance:
            yield

    app = web.Application(middlewares=[problems.middleware(log)])
    app.cleanup_ctx.append(resources)
    app.add_routes([web.get(WELL_KNOWN, directory.handle), web.post(PATH, tokens.handle)])
    return app


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
