"""Spent tokens in Redis: the store that several gateways share.

One connection per gateway process (`tacita.service.redis.server`) carries one batch at a time
(`tacita.service.batching`), and a batch is one script call per issuer key
(`gateway.stores.redis_script`) in one round trip. There is no retry: an attempt that broke off may
have reserved the token, so its caller is told `StoreUnavailable`.

With `appendfsync always` every answered call is on disk. With `everysec` the last second
is lost on power failure, and on kill -9 what a slow flush has kept Redis from
writing (up to two seconds).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain, groupby
from pathlib import Path
from typing import Self

from redis.exceptions import RedisError

from gateway.stores.batching import BatchedStore
from gateway.stores.calls import Call
from gateway.stores.redis_script import DROP_SCRIPT, PATTERN, call_of, key_id_of
from tacita.privacypass.spent import StoreUnavailable
from tacita.service.redis.address import Link
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.scripts import run
from tacita.service.redis.server import RedisServer, ask

__all__ = ["RedisStore"]


class RedisStore(BatchedStore):
    """A `SpentStore` on one Redis server. Make it with `open`."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self._server = server

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
        """Connect to the server at `address` (see `tacita.service.redis.address`) and check it.

        `accept_replicas` takes the risk that a promoted replica takes spent tokens again.
        A call waits for the server for at most `timeout` seconds.

        Raises:
            ConfigError: the address is malformed, or the server could forget spent tokens.
            StoreUnavailable: it cannot be reached.
        """
        try:
            server = await RedisServer.open(
                address,
                "spent tokens",
                password_file=password_file,
                ca_file=ca_file,
                accept_replicas=accept_replicas,
                timeout=timeout,
            )
        except RedisUnavailable as error:
            raise StoreUnavailable(str(error)) from None
        return cls(server)

    async def drop_expired(self, now: int) -> int:
        """See `SpentStore.drop_expired`. What Redis expired by itself is not counted."""
        dropped: set[bytes] = set()
        cursor: bytes = b"0"
        while True:
            async with self._borrowed() as link:
                cursor, shards = await _scan(link, cursor)
                groups = [list(group) for _, group in groupby(sorted(shards), key_id_of)]
                replies = await run(link, [DROP_SCRIPT.call(names, [now]) for names in groups])
                dropped |= {
                    key_id_of(names[0]) for names, reply in zip(groups, replies, strict=True) if reply
                }
            if cursor == b"0":
                return len(dropped)

    async def check(self) -> None:
        """See `SpentStore.check`. Looks at the server's settings again."""
        try:
            await self._server.check()
        except RedisUnavailable as error:
            raise StoreUnavailable(str(error)) from None

    async def close(self) -> None:
        """See `SpentStore.close`."""
        await self._batcher.close()
        await self._server.close()

    async def _run(self, calls: Sequence[Call]) -> str:
        places: dict[bytes, list[int]] = {}
        for place, call in enumerate(calls):
            places.setdefault(call.token_key_id, []).append(place)
        groups = [[calls[place] for place in group] for group in places.values()]
        async with self._borrowed() as link:
            replies = await run(link, [call_of(group) for group in groups])
            answers = [reply.decode("ascii") for reply in replies if isinstance(reply, bytes)]
            if [len(answer) for answer in answers] != [len(group) for group in groups]:
                raise RedisError
        answer_at = dict(zip(chain.from_iterable(places.values()), "".join(answers), strict=True))
        return "".join(answer_at[place] for place in range(len(calls)))

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Link]:
        try:
            async with self._server.borrowed() as link:
                yield link
        except RedisUnavailable as error:
            raise StoreUnavailable(str(error)) from None


async def _scan(link: Link, cursor: bytes) -> tuple[bytes, list[bytes]]:
    match await ask(link, [b"SCAN", cursor, b"MATCH", PATTERN, b"COUNT", 512]):
        case [bytes(following), list(shards)]:
            return following, shards
    raise RedisError
