"""The thread that owns a file of a store. Files block, the event loop must not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from tacita.privacypass.spent import StoreUnavailable

__all__ = ["FileThread"]

T = TypeVar("T")


class _Closes(Protocol):
    def close(self) -> None: ...


F = TypeVar("F", bound=_Closes)


class FileThread(Generic[F]):
    """Runs what is done with `file`, one thing after the other. Make it with `open`."""

    def __init__(self, file: F, thread: ThreadPoolExecutor, name: str, timeout: float) -> None:
        self.file = file
        self._thread = thread
        self._name = name
        self._timeout = timeout
        self._closed = False

    @classmethod
    async def open(cls, kind: Callable[[Path], F], path: Path, name: str, *, timeout: float) -> Self:
        """Open the file at `path`; `name` is what its store keeps. Raises what `kind` raises."""
        thread = ThreadPoolExecutor(1, thread_name_prefix=name.replace(" ", "-"))
        try:
            file = await asyncio.get_running_loop().run_in_executor(thread, kind, path)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(file, thread, name, timeout)

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Return what `work` returns, however long it takes. Raises `StoreUnavailable` once closed."""
        if self._closed:
            raise StoreUnavailable(f"The store of {self._name} is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def run_in_time(self, work: Callable[..., T], *arguments: object) -> T:
        """Return what `work` returns. Raises `StoreUnavailable` when that takes too long, too."""
        # The thread cannot be stopped: what it does late counts, but is not told to anybody.
        try:
            async with asyncio.timeout(self._timeout):
                return await self.run(work, *arguments)
        except TimeoutError:
            raise StoreUnavailable(f"The disk of the {self._name} does not answer.") from None

    async def close(self) -> None:
        """Let go of the file when what is under way has ended; calling it again does nothing."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self.file.close)
            self._thread.shutdown()
