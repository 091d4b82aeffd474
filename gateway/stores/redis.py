"""Spent tokens in Redis: the store that several gateways share.

One connection per gateway process carries one batch at a time (`gateway.stores.batching`),
and a batch is one script call per issuer key (`gateway.stores.redis_script`) in one
round trip. There is no retry: an attempt that broke off may have reserved the
token, so its caller is told `StoreUnavailable`, and the next batch connects anew. Each new
connection asks the server again whether it may keep spent tokens
(`gateway.stores.redis_checks`), as it may be another one than before.

With `appendfsync always` every answered call is on disk. With `everysec` the last second
is lost on power failure, and on kill -9 what a slow flush has kept Redis from
writing (up to two seconds).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain, groupby
from pathlib import Path
from typing import Self

from redis.exceptions import NoScriptError, RedisError

from gateway.stores.batching import BatchedStore
from gateway.stores.calls import Call
from gateway.stores.redis_address import Link, linker
from gateway.stores.redis_checks import inspect, is_refusal, sentence
from gateway.stores.redis_script import DROP_SCRIPT, PATTERN, SCRIPT, SCRIPT_DIGEST, arguments, key_id_of
from tacita.errors import ConfigError
from tacita.privacypass.spent import StoreUnavailable

__all__ = ["RedisStore"]

_Command = list[bytes | int]


class RedisStore(BatchedStore):
    """A `SpentStore` on one Redis server. Make it with `open`."""

    def __init__(self, new_link: Callable[[], Link], *, accept_replicas: bool, timeout: float) -> None:
        super().__init__()
        self._new_link = new_link
        self._accept_replicas = accept_replicas
        self._timeout = timeout
        self._link: Link | None = None
        self._turn = asyncio.Lock()
        self._closed = False

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
        """Connect to the server at `address` (see `gateway.stores.redis_address`) and check it.

        `accept_replicas` takes the risk that a promoted replica takes spent tokens again.
        A call waits for the server for at most `timeout` seconds.

        Raises:
            ConfigError: the address is malformed, or the server could forget spent tokens.
            StoreUnavailable: it cannot be reached.
        """
        new_link = linker(address, password_file=password_file, ca_file=ca_file)
        store = cls(new_link, accept_replicas=accept_replicas, timeout=timeout)
        async with store._borrowed(refusal=ConfigError):
            pass
        return store

    async def drop_expired(self, now: int) -> int:
        """See `SpentStore.drop_expired`. What Redis expired by itself is not counted."""
        dropped: set[bytes] = set()
        cursor: bytes = b"0"
        while True:
            async with self._borrowed() as link:
                cursor, shards = await _scan(link, cursor)
                for key_id, group in groupby(sorted(shards), key_id_of):
                    names = list(group)
                    reply = await _ask(link, [b"EVAL", DROP_SCRIPT, len(names), *names, now])
                    if reply:
                        dropped.add(key_id)
            if cursor == b"0":
                return len(dropped)

    async def check(self) -> None:
        """See `SpentStore.check`. Looks at the server's settings again."""
        async with self._borrowed() as link:
            await self._inspect(link)

    async def close(self) -> None:
        """See `SpentStore.close`."""
        await self._batcher.close()
        async with self._turn:
            self._closed = True
            await self._drop_link()

    async def _run(self, calls: Sequence[Call]) -> str:
        places: dict[bytes, list[int]] = {}
        for place, call in enumerate(calls):
            places.setdefault(call.token_key_id, []).append(place)
        groups = [[calls[place] for place in group] for group in places.values()]
        async with self._borrowed() as link:
            answers = await _evaluate(link, groups)
        answer_at = dict(zip(chain.from_iterable(places.values()), answers, strict=True))
        return "".join(answer_at[place] for place in range(len(calls)))

    @asynccontextmanager
    async def _borrowed(
        self, *, refusal: type[ConfigError | StoreUnavailable] = StoreUnavailable
    ) -> AsyncIterator[Link]:
        """Give the connection to one user at a time, and drop it when anything goes wrong.

        A reply that nobody waits for any more must never be read as the answer to the next call.
        """
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                link = await self._connected()
                try:
                    yield link
                except BaseException:
                    await self._drop_link()
                    raise
        except ConfigError as error:
            raise refusal(str(error)) from None
        except TimeoutError:
            raise StoreUnavailable(f"Redis did not answer within {self._timeout:g} seconds.") from None
        except (RedisError, OSError) as error:
            kind = refusal if is_refusal(error) else StoreUnavailable
            raise kind(sentence(error)) from None

    async def _connected(self) -> Link:
        if self._closed:
            raise StoreUnavailable("The spent-token store is closed.")
        if self._link is not None:
            with suppress(RedisError):
                # Readable before anything was asked means that the server closed it.
                if not await self._link.can_read():
                    return self._link
            await self._drop_link()
        self._link = self._new_link()
        try:
            await self._link.connect()
            await self._inspect(self._link)
        except BaseException:
            await self._drop_link()
            raise
        return self._link

    async def _inspect(self, link: Link) -> None:
        info = await _ask(link, [b"INFO"])
        inspect(info if isinstance(info, bytes) else b"", accept_replicas=self._accept_replicas)

    async def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with suppress(RedisError, OSError):
                await link.disconnect(nowait=True)


async def _ask(link: Link, command: _Command) -> object:
    await link.send_packed_command(link.pack_commands([command]))
    return await link.read_response(disable_decoding=True)


async def _scan(link: Link, cursor: bytes) -> tuple[bytes, list[bytes]]:
    match await _ask(link, [b"SCAN", cursor, b"MATCH", PATTERN, b"COUNT", 512]):
        case [bytes(following), list(shards)]:
            return following, shards
    raise RedisError


async def _evaluate(link: Link, groups: Sequence[Sequence[Call]]) -> str:
    """Make each group of calls by one script, all in one round trip; return the answers in order."""
    packed: list[_Command] = [[len(group), *arguments(group)] for group in groups]
    await link.send_packed_command(link.pack_commands([b"EVALSHA", SCRIPT_DIGEST, *rest] for rest in packed))
    replies: list[object] = []
    for _ in packed:
        try:
            replies.append(await link.read_response(disable_decoding=True))
        except NoScriptError:
            replies.append(None)
    for place, reply in enumerate(replies):
        if reply is None:
            # A server that restarted has forgotten the script and done nothing; EVAL makes it remember.
            replies[place] = await _ask(link, [b"EVAL", SCRIPT, *packed[place]])
    answers = [reply.decode("ascii") for reply in replies if isinstance(reply, bytes)]
    if [len(answer) for answer in answers] != [len(group) for group in groups]:
        raise RedisError
    return "".join(answers)
