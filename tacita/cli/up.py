"""`tacita up`: the four roles as processes on loopback, and a second mirror beside the relay's."""

import argparse
import asyncio
import shlex
import signal
from collections.abc import Coroutine
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tacita.cli.deployment import Deployment
from tacita.cli.folder import held
from tacita.cli.processes import run_command, supervised

__all__ = ["run"]


async def run(options: argparse.Namespace) -> int:
    """Start everything, say so, and stay until a signal comes; then stop everything. Returns 0.

    Raises:
        RoleStopped: a role ended by itself; all others were stopped.
        TacitaError: the deployment could not be made or did not get ready.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    folder = options.state.resolve()
    with held(folder):
        return await _run(folder, options.target, stop)


async def _run(folder: Path, target: str | None, stop: asyncio.Event) -> int:
    console = Console(highlight=False)
    deployment = Deployment.create(folder, target)
    # The account is made before the issuer starts, so that its credential is there when it is ready.
    await run_command("issuer", deployment.account)
    if stop.is_set():
        return 0
    async with supervised(deployment.processes, folder / "logs") as supervisor:
        names = ", ".join(process.name for process in deployment.processes)
        with console.status(f"starting {names}"):
            if not await _unless(stop, supervisor.ready()):
                return 0
        path = deployment.announce()
        console.print(_table(deployment))
        ask = shlex.join(["tacita", "ask", "--state", str(folder), "Why is the sky blue?"])
        for title, value in (
            ("Endpoints", path),
            ("Logs", folder / "logs"),
            ("Ask", ask),
            ("Stop", "Ctrl-C"),
        ):
            console.print(f"{title + ':':10} {value}", soft_wrap=True, markup=False)
        await _unless(stop, supervisor.watch())
        with console.status("stopping"):
            await supervisor.stop()
    console.print("stopped")
    return 0


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do `work` unless `stop` comes first; say whether it was done. Raises what it raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return False
        await working
        return True
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _table(deployment: Deployment) -> Table:
    table = Table("role", "public", "admin", box=box.SIMPLE_HEAD)
    for process in deployment.processes:
        table.add_row(process.name, process.public, process.admin)
    if "node" not in deployment.endpoints:
        table.add_row("target", deployment.endpoints["target"]["url"], "")
    return table
