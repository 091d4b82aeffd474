"""A Redis of the bench's own, durable as a spent store has to be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["redis"]


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[str]:
    """Run redis-server with an append-only file on a unix socket; yield its address."""
    socket = folder / "redis.sock"
    child = await asyncio.create_subprocess_exec(
        "redis-server",
        *("--port", "0", "--unixsocket", str(socket), "--dir", str(folder)),
        *("--appendonly", "yes", "--maxmemory-policy", "noeviction"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            while not socket.exists():
                await asyncio.sleep(0.02)
        yield f"unix://{socket}"
    finally:
        child.terminate()
        await child.wait()
