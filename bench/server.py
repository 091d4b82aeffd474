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

__all__ = ["role", "started", "started_program"]


@asynccontextmanager
async def started(arguments: list[str], ready: str, *, core: int | None = None) -> AsyncIterator[int]:
    """Run this Python with `arguments` as `started_program` does."""
    async with started_program([sys.executable, *arguments], ready, core=core) as pid:
        yield pid


@asynccontextmanager
async def started_program(arguments: list[str], ready: str, *, core: int | None = None) -> AsyncIterator[int]:
    """Run `arguments` until the URL `ready` answers with 200; yield the process id; end it in the end.

    Where `core` is given, the process and all its threads stay on it.
    """
    # taskset becomes what it starts, so that the process id is the right one.
    pinned = () if core is None else ("taskset", "-c", str(core))
    child = await asyncio.create_subprocess_exec(
        *(*pinned, *arguments),
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
    name: str, folder: Path, table: Mapping[str, Any], *, core: int | None = None, workers: int = 1
) -> AsyncIterator[tuple[int, int]]:
    """Run the role `name` with the configuration `table`, on `core` if given; yield process id and port.

    With several `workers` the process is the one above them.
    """
    port, admin = free_ports(2)
    path = folder / f"{name}.{port}.toml"
    listen = {**table.get("listen", {}), "port": port}
    path.write_text(to_toml({**table, "listen": listen, "admin": {"port": admin}}))
    arguments = ["-m", name, "--config", str(path)]
    if workers > 1:
        arguments += ["--workers", str(workers)]
    async with started(arguments, f"http://127.0.0.1:{admin}/readyz", core=core) as pid:
        yield pid, port
