"""The issuer's routes and wiring."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import web

from issuer.accounts import AccountsFile
from issuer.attesters import Attester
from issuer.attesters.api_key import ApiKeyAttester
from issuer.config import IssuerConfig, KeysConfig
from issuer.directory import WELL_KNOWN, DirectoryEndpoint, directory_of
from issuer.issuance import Issuance
from issuer.keys import load_key, load_or_create_key
from issuer.meters import Meters
from issuer.quota import Quota, load_hash_key
from issuer.token_requests import PATH, TokenRequestEndpoint, longest_body
from tacita.crypto.signer import best_signer
from tacita.errors import ConfigError, TacitaError
from tacita.privacypass.issuing import IssuingKey, IssuingKeys
from tacita.service import problems
from tacita.service.logs import Logger, Value
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.run import Service

__all__ = ["EVENTS", "build", "create_app"]

EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    "condition_lost": {"condition": str},
    "condition_regained": {"condition": str},
}

_CHECK_SECONDS = 1.0
_FORGET_SECONDS = 60.0


async def build(config: IssuerConfig) -> Service:
    """Return the issuer of `config`. Raises `TacitaError` where its files or the clock cannot be used."""
    keys = _issuing_keys(config.keys)
    attester = ApiKeyAttester(AccountsFile(config.accounts), config.tiers)
    attester.load()
    quota = Quota(config.quota.database, load_hash_key(config.quota.hash_key), config.quota.period_seconds)
    await quota.check()
    log = Logger("issuer", EVENTS)
    metrics = Metrics("issuer")
    readiness = Readiness(["accounts", "quota"])
    app = create_app(config, keys=keys, attester=attester, quota=quota, meters=Meters(metrics), log=log)

    async def background(_app: web.Application) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_watch(readiness, log, {"accounts": attester.check, "quota": quota.check})),
            asyncio.create_task(_forget(quota)),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    app.cleanup_ctx.append(background)
    return Service(
        app, config.listen, config.admin, log, metrics, readiness, drain_seconds=config.drain_seconds
    )


def create_app(
    config: IssuerConfig,
    *,
    keys: IssuingKeys,
    attester: Attester,
    quota: Quota,
    meters: Meters,
    log: Logger,
) -> web.Application:
    """Return the application that issues under `keys`; closing it closes `quota`."""
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
    directory = DirectoryEndpoint(directory_of(keys, config.public_url), config.directory_max_age_seconds)

    async def resources(_app: web.Application) -> AsyncIterator[None]:
        async with quota, issuance:
            yield

    app = web.Application(middlewares=[problems.middleware(log)])
    app.cleanup_ctx.append(resources)
    app.add_routes([web.get(WELL_KNOWN, directory.handle), web.post(PATH, tokens.handle)])
    return app


def _issuing_keys(config: KeysConfig) -> IssuingKeys:
    now = time.time()
    key = load_or_create_key(config.folder, now) if config.create_key else load_key(config.folder)
    if key.not_before > now:
        raise ConfigError(f"The key in {config.folder} begins to issue in the future; set the clock right.")
    return IssuingKeys([IssuingKey(best_signer(key.private_key), key.not_before, may_issue=True)])


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
