"""The replay cache in a SQLite file, for a gateway that runs on one machine; as `gateway.stores.sqlite`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from gateway.stores.file_thread import FileThread
from gateway.stores.replay_calls import BatchedReplayStore, Remember
from gateway.stores.replay_file import SLICE, ReplayFile

__all__ = ["SqliteReplayStore"]


class SqliteReplayStore(BatchedReplayStore):
    """A `ReplayStore` in one file. Make it with `open`."""

    def __init__(self, thread: FileThread[ReplayFile]) -> None:
        super().__init__()
        self._thread = thread

    @classmethod
    async def open(cls, path: Path, *, timeout: float = 5.0) -> Self:
        """Open or create the file at `path`; a call waits for the disk for at most `timeout` seconds.

        Raises:
            ConfigError: the file cannot be created, is not ours, or has another version.
            StoreUnavailable: another process kept it locked.
        """
        return cls(await FileThread.open(ReplayFile, path, "replay cache", timeout=timeout))

    async def drop_expired(self, now: int) -> int:
        """See `ReplayStore.drop_expired`. Lets calls in between slices."""
        dropped = 0
        while count := await self._thread.run(self._thread.file.drop_expired, now):
            dropped += count
            if count < SLICE:
                break
        return dropped

    async def check(self) -> None:
        """See `ReplayStore.check`."""
        await self._thread.run_in_time(self._thread.file.check)

    async def close(self) -> None:
        """See `ReplayStore.close`."""
        await self._batcher.close()
        await self._thread.close()

    async def _run(self, calls: Sequence[Remember]) -> str:
        return await self._thread.run_in_time(self._thread.file.transact, calls)
