"""Spent tokens in a SQLite file: the store of a gateway that runs on one machine.

One thread owns the file (`gateway.stores.sqlite_file`); all calls that wait while it
flushes go into its next transaction, and are answered after COMMIT.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from gateway.stores.batching import BatchedStore
from gateway.stores.calls import Call
from gateway.stores.sqlite_file import SpentFile
from tacita.privacypass.spent import StoreUnavailable

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore(BatchedStore):
    """A `SpentStore` in one file. Make it with `open`."""

    def __init__(self, file: SpentFile, thread: ThreadPoolExecutor, *, timeout: float) -> None:
        super().__init__()
        self._file = file
        self._thread = thread
        self._timeout = timeout
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, timeout: float = 5.0) -> Self:
        """Open or create the file at `path`; a call waits for the disk for at most `timeout` seconds.

        Raises:
            ConfigError: the file cannot be created, is not ours, or has another version.
            StoreUnavailable: another process kept it locked.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="spent-tokens")
        try:
            file = await asyncio.get_running_loop().run_in_executor(thread, SpentFile, path)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(file, thread, timeout=timeout)

    async def drop_expired(self, now: int) -> int:
        """See `SpentStore.drop_expired`. Takes the writer for some 15 ms per million tokens."""
        return await self._in_thread(self._file.drop_expired, now)

    async def check(self) -> None:
        """See `SpentStore.check`."""
        await self._in_time(self._file.check)

    async def close(self) -> None:
        """See `SpentStore.close`."""
        await self._batcher.close()
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
            self._thread.shutdown()

    async def _run(self, calls: Sequence[Call]) -> str:
        return await self._in_time(self._file.transact, calls)

    async def _in_time(self, work: Callable[..., T], *arguments: object) -> T:
        # The thread cannot be stopped: what it does late counts, but is not told to anybody.
        try:
            async with asyncio.timeout(self._timeout):
                return await self._in_thread(work, *arguments)
        except TimeoutError:
            raise StoreUnavailable("The disk of the spent-token file does not answer.") from None

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        if self._closed:
            raise StoreUnavailable("The spent-token store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
