"""A Redis of the bench's own, durable as a spent store has to be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["redis", "redis_process"]


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[str]:
    """Run redis-server with an append-only file on a unix socket; yield its address."""
    async with redis_process(folder) as (_, address):
        yield address


@asynccontextmanager
async def redis_process(folder: Path) -> AsyncIterator[tuple[int, str]]:
    """Run it as `redis` does; yield its process id, too."""
    socket = folder / "redis.sock"
    child = await asyncio.create_subprocess_exec(
        "redis-server",
        *("--port", "0", "--unixsocket", str(socket), "--dir", str(folder)),
        *("--appendonly", "yes", "--maxmemory-policy", "noeviction"),
        # A rewrite of the file in the background would be somebody's noise.
        *("--auto-aof-rewrite-percentage", "0", "--save", ""),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            while not socket.exists():
                await asyncio.sleep(0.02)
        yield child.pid, f"unix://{socket}"
    finally:
        child.terminate()
        await child.wait()
