"""Roles as processes of their own.

    async with role("relay", config, tmp_path, admin_port=port) as relay:
        ...                         # it is ready
        assert await relay.stop() == 0
    relay.output()                  # everything it wrote to stdout and stderr

Output goes to files, so that a process never waits for somebody to read it.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

__all__ = ["Role", "role", "start"]

_ROOT = Path(__file__).resolve().parents[2]


class Role:
    """A running role: its process, its operator's port and what it writes."""

    def __init__(self, process: asyncio.subprocess.Process, admin_port: int, files: Sequence[Path]) -> None:
        self.process = process
        self._admin_port = admin_port
        self._files = files

    def output(self) -> str:
        """Return what the process has written so far, standard output first."""
        return "".join(file.read_text() for file in self._files)

    async def admin(self, path: str) -> tuple[int, str]:
        """Return status and text of the operator's `path`. Raises `aiohttp.ClientError` when it is not up."""
        url = f"http://127.0.0.1:{self._admin_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()

    async def wait_ready(self, status: int = 200) -> None:
        """Wait until /readyz says `status`; fail when the process ends before."""
        while self.process.returncode is None:
            try:
                if (await self.admin("/readyz"))[0] == status:
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)
        raise AssertionError(f"the role ended with {self.process.returncode}:\n{self.output()}")

    async def stop(self, number: int = signal.SIGTERM, *, seconds: float = 30.0) -> int:
        """Send the signal `number` and return the exit code; fail after `seconds`."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), seconds)


async def start(
    module: str, config: str, folder: Path, *, admin_port: int, command: Sequence[str] = ()
) -> Role:
    """Start the role `module` with the text `config` (written into `folder`), without waiting for it.

    `command` replaces `-m module` as the interpreter's arguments before `--config`.
    """
    file = folder / f"{module}.toml"
    file.write_text(config)
    files = [folder / f"{module}.stdout", folder / f"{module}.stderr"]
    with files[0].open("w") as out, files[1].open("w") as err:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(command or ("-m", module)),
            "--config",
            str(file),
            cwd=_ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    return Role(process, admin_port, files)


@asynccontextmanager
async def role(
    module: str, config: str, folder: Path, *, admin_port: int, command: Sequence[str] = ()
) -> AsyncIterator[Role]:
    """Start a role as `start` does, wait until it is ready, and see that it is gone in the end."""
    running = await start(module, config, folder, admin_port=admin_port, command=command)
    try:
        await asyncio.wait_for(running.wait_ready(), 30)
        yield running
    finally:
        if running.process.returncode is None:
            running.process.kill()
            await running.process.wait()
