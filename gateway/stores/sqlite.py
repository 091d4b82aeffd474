"""Spent tokens in a SQLite file: the store of a gateway that runs on one machine.

One thread owns the file (`gateway.stores.sqlite_file`); all calls that wait while it
flushes go into its next transaction, and are answered after COMMIT.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from gateway.stores.batching import BatchedStore
from gateway.stores.calls import Call
from gateway.stores.file_thread import FileThread
from gateway.stores.sqlite_file import SpentFile

__all__ = ["SqliteStore"]


class SqliteStore(BatchedStore):
    """A `SpentStore` in one file. Make it with `open`."""

    def __init__(self, thread: FileThread[SpentFile]) -> None:
        super().__init__()
        self._thread = thread

    @classmethod
    async def open(cls, path: Path, *, timeout: float = 5.0) -> Self:
        """Open or create the file at `path`; a call waits for the disk for at most `timeout` seconds.

        Raises:
            ConfigError: the file cannot be created, is not ours, or has another version.
            StoreUnavailable: another process kept it locked.
        """
        return cls(await FileThread.open(SpentFile, path, "spent tokens", timeout=timeout))

    async def drop_expired(self, now: int) -> int:
        """See `SpentStore.drop_expired`. Takes the writer for some 15 ms per million tokens."""
        return await self._thread.run(self._thread.file.drop_expired, now)

    async def check(self) -> None:
        """See `SpentStore.check`."""
        await self._thread.run_in_time(self._thread.file.check)

    async def close(self) -> None:
        """See `SpentStore.close`."""
        await self._batcher.close()
        await self._thread.close()

    async def _run(self, calls: Sequence[Call]) -> str:
        return await self._thread.run_in_time(self._thread.file.transact, calls)
