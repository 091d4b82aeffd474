"""Spent tokens in Redis: the store that several gateways share, on one server or a cluster.

Each gateway process has one connection per server (`tacita.service.redis`), which carries one batch at
a time (`tacita.service.lanes`). On a single server a batch is one script call; in a cluster it is one for
each hash (`gateway.stores.redis_script`), in one round trip to the node that has them. There is no
retry: an attempt that broke off may have reserved the token, so its caller is told `StoreUnavailable`.

In a cluster the tokens of a node that is away are `StoreUnavailable` until it returns, and those of the
others are taken. A node must return with its append-only file: if its slots are given to other nodes without
their content, every token in them could be spent again, so turn the issuer key over then.

With `appendfsync always` every answered call is on disk. With `everysec` the last second
is lost on power failure, and on kill -9 what a slow flush has kept Redis from
writing (up to two seconds).
"""

from collections.abc import Hashable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Self

from gateway.stores.batching import BatchedStore
from gateway.stores.calls import Call
from gateway.stores.redis_calls import in_our_words, run_grouped
from gateway.stores.redis_script import DROP_SCRIPT, PATTERN, call_of, key_id_of, shard_of
from tacita.privacypass.spent import StoreUnavailable
from tacita.service.redis.opening import open_redis
from tacita.service.redis.protocol import Redis

__all__ = ["RedisStore"]


class RedisStore(BatchedStore):
    """A `SpentStore` in Redis. Make it with `open`."""

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
        """Connect to what is at `address` (see `tacita.service.redis.address`) and check it.

        `accept_replicas` takes the risk that a promoted replica takes spent tokens again.
        A call waits for the server for at most `timeout` seconds.

        Raises:
            ConfigError: the address is malformed, or a server could forget spent tokens.
            StoreUnavailable: it cannot be reached.
        """
        with in_our_words():
            redis = await open_redis(
                address,
                "spent tokens",
                password_file=password_file,
                ca_file=ca_file,
                accept_replicas=accept_replicas,
                timeout=timeout,
            )
        return cls(redis)

    async def drop_expired(self, now: int) -> int:
        """See `SpentStore.drop_expired`. What Redis expired by itself is not counted."""
        dropped: set[bytes] = set()
        with in_our_words():
            async for shards in self._redis.names(PATTERN):
                shards.sort()
                groups = [list(group) for _, group in groupby(shards, self._drop_group)]
                replies = await self._redis.run([DROP_SCRIPT.call(names, [now]) for names in groups])
                dropped |= {
                    key_id_of(names[0])
                    for names, reply in zip(groups, replies, strict=True)
                    if isinstance(reply, int) and reply
                }
        return len(dropped)

    async def check(self) -> None:
        """See `SpentStore.check`. Looks at the settings again."""
        with in_our_words():
            await self._redis.check()

    async def close(self) -> None:
        """See `SpentStore.close`."""
        await self._batcher.close()
        await self._redis.close()

    def _lane_of(self, call: Call) -> Hashable:
        return self._redis.lane_of(shard_of(call))

    def _drop_group(self, shard: bytes) -> tuple[bytes, bytes]:
        # By issuer key on a server, too: they are counted.
        return key_id_of(shard), self._redis.group_of(shard)

    async def _run(self, calls: Sequence[Call]) -> Sequence[str | StoreUnavailable]:
        return await run_grouped(self._redis, calls, shard_of, call_of)
