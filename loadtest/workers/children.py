"""Starting processes of the harness, and seeing that they are gone in the end."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from loadtest.workers.channel import Channel

__all__ = ["Child", "children"]

_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours, and the channel to it."""

    process: asyncio.subprocess.Process
    channel: Channel


@asynccontextmanager
async def children(module: str, count: int) -> AsyncIterator[list[Child]]:
    """Run `count` processes of `python -m MODULE`; whatever is left of them at the end is killed."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_child(module)) for _ in range(count)]


@asynccontextmanager
async def _child(module: str) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        # Ctrl-C in a terminal is for the harness, which tells its processes.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Child(process, Channel(process.stdout, process.stdin))
    finally:
        # A process that reads the end of its input ends by itself.
        with suppress(ConnectionError):
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()
