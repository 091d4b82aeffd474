"""One connection to one Redis server, or to one node of a cluster, for one user at a time.

Nothing is retried: an attempt that broke off may have been carried out, so whoever made it is told
`RedisUnavailable`, and the next one connects anew. Each new connection asks the server again
whether it may keep our records (`tacita.service.redis.checks`), as it may be another one than before.

With `appendfsync always` every answered call is on disk. With `everysec` the last second is lost on
power failure, and on kill -9 what a slow flush has kept Redis from writing (up to two seconds).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from redis.exceptions import AskError, ClusterDownError, RedisError, TryAgainError

from tacita.errors import ConfigError
from tacita.net.deadlines import Deadlines
from tacita.service.redis.address import Link, linker
from tacita.service.redis.checks import inspect, is_refusal, sentence
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.scripts import ScriptCall, packed, run

__all__ = ["RedisServer", "ask", "told"]

_BEFORE_IT = (AskError, TryAgainError, ClusterDownError)
"""How a node of a cluster says that a call is not for it, or not now. It says so before it does anything."""


class RedisServer:
    """A checked server, a `tacita.service.redis.protocol.Redis`. Make it with `open`.

    `records` says in sentences what it keeps for us. With `cluster` it has to be a node of one; then it is
    used by `tacita.service.redis.cluster`.
    """

    def __init__(
        self,
        new_link: Callable[[], Link],
        records: str,
        *,
        accept_replicas: bool,
        timeout: float,
        cluster: bool = False,
    ) -> None:
        self._new_link = new_link
        self._records = records
        self._accept_replicas = accept_replicas
        self._timeout = timeout
        self._cluster = cluster
        self._link: Link | None = None
        self._turn = asyncio.Lock()
        self._deadlines = Deadlines()
        self._closed = False

    @classmethod
    async def open(
        cls,
        address: str,
        records: str,
        *,
        password_file: Path | None = None,
        ca_file: Path | None = None,
        accept_replicas: bool = False,
        timeout: float = 2.0,
    ) -> Self:
        """Connect to the server at `address` (see `tacita.service.redis.address`) and check it.

        `accept_replicas` takes the risk that a promoted replica does not know the newest records.
        A call waits for the server for at most `timeout` seconds.

        Raises:
            ConfigError: the address is malformed, or the server could forget records.
            RedisUnavailable: it cannot be reached.
        """
        new_link = linker(address, password_file=password_file, ca_file=ca_file)
        server = cls(new_link, records, accept_replicas=accept_replicas, timeout=timeout)
        await server.begin()
        return server

    async def begin(self) -> None:
        """Connect, if that is not done yet. Raises `ConfigError` and `RedisUnavailable` as `open`."""
        async with self._borrowed(refusal=ConfigError):
            pass

    def group_of(self, _key: bytes) -> bytes:
        """See `Redis.group_of`: a script may have any keys."""
        return b""

    def lane_of(self, _key: bytes) -> Hashable:
        """See `Redis.lane_of`: everything goes to the one server."""
        return None

    async def run(self, calls: Sequence[ScriptCall]) -> list[object]:
        """See `Redis.run`."""
        return told(await self.exchange(calls), self._records)

    async def exchange(
        self, calls: Sequence[ScriptCall], *, asking: bool = False, until: float | None = None
    ) -> list[object]:
        """Make `calls`, as `tacita.service.redis.scripts.run`, before the loop's time is `until`.

        Raises `RedisUnavailable` where none of them was answered.
        """
        async with self._borrowed(refusal=RedisUnavailable, until=until) as link:
            replies = await run(link, calls, asking=asking)
            if any(isinstance(reply, RedisError) and not isinstance(reply, _BEFORE_IT) for reply in replies):
                # Whatever made it refuse, the next user looks at the server's settings again.
                await self._drop_link()
        return replies

    async def names(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        """See `Redis.names`. Others have their turn between the portions."""
        cursor = b"0"
        while True:
            async with self.borrowed() as link:
                match await ask(link, [b"SCAN", cursor, b"MATCH", pattern, b"COUNT", 512]):
                    case [bytes(cursor), list(found)]:
                        pass
                    case _:
                        raise RedisError
            if found:
                yield found
            if cursor == b"0":
                return

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[Link]:
        """Give the connection to one user at a time, and drop it when anything goes wrong.

        A reply that nobody waits for any more must never be read as the answer to the next call.
        Raises `RedisUnavailable`, also for what Redis or the network raises inside.
        """
        async with self._borrowed(refusal=RedisUnavailable) as link:
            yield link

    async def check(self) -> None:
        """Look at the server's settings again. Raises `RedisUnavailable`."""
        async with self.borrowed() as link:
            await self._inspect(link)

    async def close(self) -> None:
        """Wait for the present user and let go of the connection; calling it again does nothing."""
        async with self._turn:
            self._closed = True
            await self._drop_link()

    @asynccontextmanager
    async def _borrowed(
        self, *, refusal: type[ConfigError | RedisUnavailable], until: float | None = None
    ) -> AsyncIterator[Link]:
        if until is None:
            until = asyncio.get_running_loop().time() + self._timeout
        try:
            with self._deadlines.until(until):
                async with self._turn:
                    link = await self._connected()
                    try:
                        yield link
                    except BaseException:
                        await self._drop_link()
                        raise
        except ConfigError as error:
            raise refusal(str(error)) from None
        except TimeoutError:
            raise RedisUnavailable(f"Redis did not answer within {self._timeout:g} seconds.") from None
        except (RedisError, OSError) as error:
            kind = refusal if is_refusal(error) else RedisUnavailable
            raise kind(sentence(error, self._records)) from None

    async def _connected(self) -> Link:
        if self._closed:
            raise RedisUnavailable("The connection to Redis is closed.")
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
        info = await ask(link, [b"INFO"])
        inspect(
            info if isinstance(info, bytes) else b"",
            self._records,
            accept_replicas=self._accept_replicas,
            cluster=self._cluster,
        )

    async def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with suppress(RedisError, OSError):
                await link.disconnect(nowait=True)


async def ask(link: Link, command: list[bytes | int]) -> object:
    """Return the reply to one `command`. Raises `RedisError` and `OSError`."""
    await link.send_packed_command([packed(command)])
    return await link.read_response(disable_decoding=True)


def told(replies: list[object], records: str) -> list[object]:
    """Return `replies` with the errors of Redis in our words. Raises the first where all are errors."""
    if not any(isinstance(reply, Exception) for reply in replies):
        return replies
    answers: list[object] = [
        RedisUnavailable(sentence(reply, records)) if isinstance(reply, RedisError) else reply
        for reply in replies
    ]
    first = answers[0]
    if isinstance(first, RedisUnavailable) and all(isinstance(answer, Exception) for answer in answers):
        raise first
    return answers
