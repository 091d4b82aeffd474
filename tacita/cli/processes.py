"""Starting, watching and stopping the role processes of a deployment."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tacita.cli.deployment import Process
from tacita.errors import TacitaError
from tacita.net.upstream import Upstream, UpstreamError

__all__ = ["CommandFailed", "NotReady", "RoleStopped", "Supervisor", "run_command", "supervised"]

_POLL_SECONDS = 0.05
_READY_SECONDS = 60.0
_STOP_SECONDS = 35.0
"""The roles' own bound (drain_seconds, 30) and some."""


class RoleStopped(TacitaError):
    """A role ended by itself."""


class NotReady(TacitaError):
    """A role runs, and does not become ready."""


class CommandFailed(TacitaError):
    """A role's own command did not succeed; the message is what it said."""


@asynccontextmanager
async def supervised(processes: Sequence[Process], logs: Path) -> AsyncIterator["Supervisor"]:
    """Run each of `processes` as a child that writes to a file in `logs`; in the end stop all and wait."""
    supervisor = Supervisor(logs)
    try:
        for process in processes:
            await supervisor.start(process)
        yield supervisor
    finally:
        await supervisor.stop()


class Supervisor:
    """The children that were started."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: list[Process] = []
        self._children: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, process: Process) -> None:
        """Start one process, without waiting until it is ready."""
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
                # A terminal's Ctrl-C is for us: we stop the roles.
                start_new_session=True,
                preexec_fn=_dying_with_parent(),
            )
        self._processes.append(process)

    async def stop(self) -> None:
        """Ask all to end; after a time that is longer than their own bound, make them."""
        children = self._children.values()
        for child in children:
            with suppress(ProcessLookupError):
                child.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                for child in children:
                    await child.wait()
        except TimeoutError:
            for child in children:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def ready(self) -> None:
        """Wait until every process says on its admin port that it is ready.

        Raises:
            RoleStopped: one ended instead.
            NotReady: one did not get ready in time.
        """
        await asyncio.gather(*(self._ready(process) for process in self._processes))

    async def _ready(self, process: Process) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS), Upstream(process.admin, connections=1) as admin:
                while True:
                    self._require_running(process.name)
                    with suppress(UpstreamError):
                        async with admin.request("GET", "/readyz", []) as response:
                            if response.status == 200:
                                return
                    await asyncio.sleep(_POLL_SECONDS)
        raise NotReady(f"The {process.name} did not become ready; see {self._log(process.name)}.")

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
        code = self._children[name].returncode
        if code is None:
            return
        log = self._log(name)
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise RoleStopped(f"The {name} ended {how}{_last_words(log)}; its log is {log}.")

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def _last_words(log: Path) -> str:
    """Return what a role said to a person (not to its log, which is JSON) before it ended."""
    lines = log.read_text(errors="replace").splitlines()
    said = [line.partition(": ")[2] for line in lines if line.startswith("tacita-")]
    return f" and said: {said[-1].rstrip('.')}" if said else ""


async def run_command(role: str, arguments: Sequence[str]) -> None:
    """Run one of a role's own commands to its end. Raises `CommandFailed` with its words if it fails."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        role,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_dying_with_parent(),
    )
    _, said = await child.communicate()
    if child.returncode != 0:
        raise CommandFailed(said.decode(errors="replace").strip().removeprefix(f"tacita-{role}: "))


def _dying_with_parent() -> Callable[[], None] | None:
    """Return what has the kernel stop a child when its parent is gone, so that no role is left behind.

    None where there is no such thing. It runs in the child between fork and exec, where only
    system calls are safe: everything else is done here.
    """
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    parent = os.getpid()

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


_PR_SET_PDEATHSIG = 1
"""prctl(2), Linux."""
