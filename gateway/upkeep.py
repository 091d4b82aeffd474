"""The gateway's two stores while it runs: opened and closed together, watched, cleared of what has died."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.config import StoreConfig
from gateway.replay import ReplayStore
from gateway.stores import open_replay_store, open_store
from tacita.errors import TacitaError
from tacita.privacypass.spent import SpentStore
from tacita.service.logs import Logger, Value
from tacita.service.readiness import Readiness

__all__ = ["CONDITIONS", "EVENTS", "Stores"]

CONDITIONS = ("replay_store", "store")
"""What has to hold for readiness: that each store answers."""

EVENTS: Mapping[str, Mapping[str, type[Value]]] = {
    "expired_messages_dropped": {"count": int},
    "replay_store_failed": {"kind": str},
    "replay_store_regained": {},
    "spent_keys_dropped": {"count": int},
    "store_failed": {"kind": str},
    "store_regained": {},
}

_CHECK_SECONDS = 5.0
_DROP_KEYS_SECONDS = 3600.0
_DROP_MESSAGES_SECONDS = 30.0

_Store = SpentStore | ReplayStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Where spent tokens are remembered, and messages."""

    spent: SpentStore
    replay: ReplayStore

    @classmethod
    async def open(cls, config: StoreConfig) -> "Stores":
        """Open both: the one for messages in the same Redis, or in a file beside the one for tokens.

        Raises:
            ConfigError: a store cannot be used as it is configured.
            StoreUnavailable: it cannot be reached now.
        """
        location = config.redis if config.redis is not None else str(config.sqlite)
        suffix = "" if config.redis is not None else ".replay"
        spent = await open_store(
            location,
            password_file=config.redis_password,
            ca_file=config.redis_authority,
            accept_replicas=config.accept_replicas,
        )
        try:
            replay = await open_replay_store(
                location + suffix,
                password_file=config.redis_password,
                ca_file=config.redis_authority,
                accept_replicas=config.accept_replicas,
            )
        except BaseException:
            await spent.close()
            raise
        return cls(spent, replay)

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close both in the end."""
        try:
            yield
        finally:
            try:
                await self.replay.close()
            finally:
                await self.spent.close()

    def keep(
        self, readiness: Readiness, log: Logger, clock: Callable[[], float]
    ) -> list[Coroutine[None, None, None]]:
        """Return what is to be run until it is cancelled."""
        return [
            _watch(self.spent, "store", readiness, log),
            _watch(self.replay, "replay_store", readiness, log),
            _drop(self.spent, clock, log, event="spent_keys_dropped", seconds=_DROP_KEYS_SECONDS),
            _drop(self.replay, clock, log, event="expired_messages_dropped", seconds=_DROP_MESSAGES_SECONDS),
        ]


async def _watch(store: _Store, name: str, readiness: Readiness, log: Logger) -> None:
    """Keep the readiness condition `name` true to the store, and log each change."""
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
            log.event(f"{name}_failed", kind=failed)
        elif not failed and not held:
            log.event(f"{name}_regained")
        held = not failed
        readiness.set(name, holds=held)
        await asyncio.sleep(_CHECK_SECONDS)


async def _drop(
    store: _Store, clock: Callable[[], float], log: Logger, *, event: str, seconds: float
) -> None:
    """Forget what has died, every so many seconds: spent tokens with their key, messages one by one."""
    while True:
        try:
            if count := await store.drop_expired(int(clock())):
                log.event(event, count=count)
        except TacitaError:
            pass  # The watch reports what stands in the way.
        except Exception as defect:
            log.internal_error(defect)
        await asyncio.sleep(seconds)
