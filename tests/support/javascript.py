"""Other people's implementations in JavaScript: packages installed once, scripts run by Node.js.

    scripts = Scripts(folder_of_the_scripts, empty_folder)
    answer = await scripts.run("client.mjs", {"field": "..."})
    async with scripts.serving("issuer.mjs", {}) as first_line: ...

Each script reads one JSON value from standard input and writes one. What package-lock.json pins is
installed outside the work tree, in a cache folder of that name, and found again the next time. Where
Node.js is missing, a test that needs it is skipped with the reason printed; with CI set in the environment
it fails instead, so that nobody takes silence for success.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest

__all__ = ["Scripts"]

_OLDEST = 20
_PINS = ("package.json", "package-lock.json")
_SECONDS = 60


class Scripts:
    """The scripts of the folder `source`, in a copy in `folder` from where they find their packages."""

    def __init__(self, source: Path, folder: Path) -> None:
        self._folder = folder
        self._node = _tool("node")
        version = subprocess.run([self._node, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.removeprefix("v").partition(".")[0]) < _OLDEST:
            _missing(f"Node.js {_OLDEST} or newer is not installed")
        for file in (*source.glob("*.mjs"), source / "package.json"):
            shutil.copy(file, folder)
        (folder / "node_modules").symlink_to(_installed(source) / "node_modules")

    async def run(self, name: str, value: object, *, environment: Mapping[str, str] | None = None) -> Any:
        """Give `value` to the script `name` and return what it answers; fails when the script does."""
        process = await self._start(name, environment, stderr=asyncio.subprocess.PIPE)
        try:
            out, said = await asyncio.wait_for(process.communicate(json.dumps(value).encode()), _SECONDS)
        finally:
            await _end(process)
        assert process.returncode == 0, said.decode()
        return json.loads(out)

    @asynccontextmanager
    async def serving(self, name: str, value: object) -> AsyncIterator[Any]:
        """Run the script `name` until the end of the context; give the first line that it answers."""
        process = await self._start(name, None, stderr=None)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(value).encode() + b"\n")
            yield json.loads(await asyncio.wait_for(process.stdout.readline(), _SECONDS))
        finally:
            process.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
            await _end(process)

    async def _start(
        self, name: str, environment: Mapping[str, str] | None, *, stderr: int | None
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self._node,
            str(self._folder / name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def _installed(source: Path) -> Path:
    """Return the folder with the packages that `source` pins; install them where they are not there yet."""
    pins = hashlib.sha256(b"".join((source / name).read_bytes() for name in _PINS)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tacita-interop"
    installed = cache / f"{source.name}-{pins[:16]}"
    if installed.exists():
        return installed
    cache.mkdir(parents=True, exist_ok=True)
    # Complete or not there: whoever is interrupted, or slower than another, leaves nothing behind.
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        fresh = Path(folder) / "fresh"
        fresh.mkdir()
        for name in _PINS:
            shutil.copy(source / name, fresh)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        command = [_tool("npm"), "ci", *options]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with suppress(OSError):
            fresh.rename(installed)
    return installed


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        _missing(f"{name} is not installed")
    return path


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
