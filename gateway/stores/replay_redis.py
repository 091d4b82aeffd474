"""The replay cache in Redis, for several gateways, on one server or a cluster; as `gateway.stores.redis`."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Self

from gateway.stores.redis_calls import in_our_words, run_grouped
from gateway.stores.replay_calls import BatchedReplayStore, Remember
from gateway.stores.replay_redis_script import call_of, count_of
from tacita.privacypass.spent import StoreUnavailable
from tacita.service.redis.opening import open_redis
from tacita.service.redis.protocol import Redis

__all__ = ["RedisReplayStore"]


class RedisReplayStore(BatchedReplayStore):
    """A `ReplayStore` in Redis. Make it with `open`."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis

    @classmethod
    async def open(
        cls,
        address: str,
        *,
        password_file: Path | None = None,
        ca_file: Path | None = None,
        accept_replicas: bool = False,
        timeout: float = 2.0,
    ) -> Self:
        """Connect to what is at `address`; the arguments are those of `gateway.stores.redis.RedisStore.open`.

        Raises:
            ConfigError: the address is malformed, or a server could forget messages.
            StoreUnavailable: it cannot be reached.
        """
        with in_our_words():
            redis = await open_redis(
                address,
                "messages",
                password_file=password_file,
                ca_file=ca_file,
                accept_replicas=accept_replicas,
                timeout=timeout,
            )
        return cls(redis)

    async def drop_expired(self, now: int) -> int:
        """See `ReplayStore.drop_expired`: Redis has dropped it by its own clock."""
        return 0

    async def check(self) -> None:
        """See `ReplayStore.check`. Looks at the settings again."""
        with in_our_words():
            await self._redis.check()

    async def close(self) -> None:
        """See `ReplayStore.close`."""
        await self._batcher.close()
        await self._redis.close()

    def _lane_of(self, call: Remember) -> Hashable:
        return self._redis.lane_of(count_of(call))

    async def _run(self, calls: Sequence[Remember]) -> Sequence[str | StoreUnavailable]:
        return await run_grouped(self._redis, calls, count_of, call_of)
