"""One real process under measurement: started, awaited, stopped."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tacita.cli.deployment import to_toml
from tacita.cli.ports import free_ports

__all__ = ["role", "started"]


@asynccontextmanager
async def started(arguments: list[str], ready: str, *, core: int | None = None) -> AsyncIterator[int]:
    """Run this Python with `arguments` until the URL `ready` answers with 200; yield the process id.

    Where `core` is given, the process and all its threads stay on it.
    """
    # taskset becomes what it starts, so that the process id is the right one.
    pinned = () if core is None else ("taskset", "-c", str(core))
    child = await asyncio.create_subprocess_exec(
        *(*pinned, sys.executable, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while not await _answers(session, ready):
                if child.returncode is not None:
                    raise RuntimeError(f"{arguments} ended with {child.returncode}")
                await asyncio.sleep(0.05)
        yield child.pid
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def role(
    name: str, folder: Path, table: Mapping[str, Any], *, core: int | None = None
) -> AsyncIterator[tuple[int, int]]:
    """Run the role `name` with the configuration `table`, on `core` if given; yield process id and port."""
    port, admin = free_ports(2)
    path = folder / f"{name}.{port}.toml"
    path.write_text(to_toml({**table, "listen": {"port": port}, "admin": {"port": admin}}))
    arguments = ["-m", name, "--config", str(path)]
    async with started(arguments, f"http://127.0.0.1:{admin}/readyz", core=core) as pid:
        yield pid, port
