"""Starting, watching and stopping the role processes of a deployment."""

import asyncio
import ctypes
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tacita.cli.deployment import Process
from tacita.errors import TacitaError
from tacita.net.upstream import Upstream, UpstreamError

__all__ = ["RoleStopped", "Supervisor", "run_command"]

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.05
_KILL_SECONDS = 35.0
_LAST_BYTES = 400


class RoleStopped(TacitaError):
    """A role ended by itself."""


class Supervisor:
    """Runs each `Process` as a child. Leaving the context stops them all, in order, and waits."""

    def __init__(self, processes: Sequence[Process], logs: Path) -> None:
        self._processes = processes
        self._logs = logs
        self._children: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        try:
            for process in self._processes:
                await self._start(process)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stop()

    async def _start(self, process: Process) -> None:
        with self._log(process.name).open("wb") as log:
            self._children[process.name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                process.role,
                "--config",
                process.config,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C is for us; we stop the roles in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    async def _stop(self) -> None:
        children = self._children.values()
        for child in children:
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_KILL_SECONDS):
                for child in children:
                    await child.wait()
        except TimeoutError:
            for child in children:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def ready(self, process: Process, *, seconds: float = 60.0) -> None:
        """Wait until `process` says on its admin port that it is ready.

        Raises:
            RoleStopped: it ended instead.
            TacitaError: it was not ready within `seconds`.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), Upstream(process.admin, connections=1) as admin:
                while True:
                    self._require_running(process.name)
                    with suppress(UpstreamError):
                        async with admin.request("GET", "/readyz", []) as response:
                            if response.status == 200:
                                return
                    await asyncio.sleep(_POLL_SECONDS)
        raise TacitaError(f"The {process.name} did not become ready; see {self._log(process.name)}.")

    async def watch(self) -> None:
        """Return never. Raises `RoleStopped` when any role ends."""
        waits = {asyncio.create_task(child.wait()): name for name, child in self._children.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._require_running(waits[done.pop()])

    def _require_running(self, name: str) -> None:
        if self._children[name].returncode is None:
            return
        last = self._log(name).read_bytes()[-_LAST_BYTES:].decode(errors="replace").strip()
        raise RoleStopped(f"The {name} stopped. It said last:\n{last}")

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


async def run_command(role: str, arguments: Sequence[str]) -> None:
    """Run one of a role's own commands to its end. Raises `TacitaError` with its words if it fails."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        role,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await child.communicate()
    if child.returncode != 0:
        raise TacitaError(said.decode(errors="replace").strip())


def _die_with_parent() -> None:
    """Have the kernel stop this child if its parent is killed, so that no role is left behind (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
