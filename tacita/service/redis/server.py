"""One connection to one Redis server, for one user at a time.

Nothing is retried: an attempt that broke off may have been carried out, so whoever made it is told
`RedisUnavailable`, and the next one connects anew. Each new connection asks the server again
whether it may keep our records (`tacita.service.redis.checks`), as it may be another one than before.

With `appendfsync always` every answered call is on disk. With `everysec` the last second is lost on
power failure, and on kill -9 what a slow flush has kept Redis from writing (up to two seconds).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from redis.exceptions import RedisError

from tacita.errors import ConfigError
from tacita.service.redis.address import Link, linker
from tacita.service.redis.checks import inspect, is_refusal, sentence
from tacita.service.redis.errors import RedisUnavailable

__all__ = ["RedisServer", "ask"]


class RedisServer:
    """A checked server. Make it with `open`. `records` says in sentences what it keeps for us."""

    def __init__(
        self, new_link: Callable[[], Link], records: str, *, accept_replicas: bool, timeout: float
    ) -> None:
        self._new_link = new_link
        self._records = records
        self._accept_replicas = accept_replicas
        self._timeout = timeout
        self._link: Link | None = None
        self._turn = asyncio.Lock()
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
        async with server._borrowed(refusal=ConfigError):
            pass
        return server

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
    async def _borrowed(self, *, refusal: type[ConfigError | RedisUnavailable]) -> AsyncIterator[Link]:
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
            info if isinstance(info, bytes) else b"", self._records, accept_replicas=self._accept_replicas
        )

    async def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with suppress(RedisError, OSError):
                await link.disconnect(nowait=True)


async def ask(link: Link, command: list[bytes | int]) -> object:
    """Return the reply to one `command`. Raises `RedisError` and `OSError`."""
    await link.send_packed_command(link.pack_commands([command]))
    return await link.read_response(disable_decoding=True)
