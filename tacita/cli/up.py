"""`tacita up`: the four roles as processes on loopback, and a second mirror beside the relay's."""

import argparse
import asyncio
import signal
from typing import Any

from rich.console import Console
from rich.table import Table

from tacita.cli.deployment import Deployment
from tacita.cli.processes import Supervisor, run_command

__all__ = ["run"]


async def run(options: argparse.Namespace) -> int:
    """Start everything, say so, and stay until a signal comes; then stop everything. Returns 0."""
    console = Console(highlight=False)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    folder = options.state.resolve()
    deployment = Deployment.create(folder, options.target)
    # The account is made before the issuer starts, so that its credential is there when it is ready.
    await run_command("issuer", deployment.account)
    async with Supervisor(deployment.processes, folder / "logs") as supervisor:
        stopping = asyncio.create_task(stop.wait())
        with console.status("starting issuer, relay, gateway and node"):
            starting = asyncio.gather(*(supervisor.ready(process) for process in deployment.processes))
            either: set[asyncio.Future[Any]] = {starting, stopping}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                starting.cancel()
                return 0
            await starting
        path = deployment.announce()
        _print_table(console, deployment)
        console.print(f"\nEndpoints: {path}", soft_wrap=True)
        console.print(f'Ask:       tacita ask --state {folder} "Why is the sky blue?"', soft_wrap=True)
        console.print("Stop:      Ctrl-C")
        watching = asyncio.create_task(supervisor.watch())
        done, _ = await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if watching in done:
            await watching
        watching.cancel()
        console.print("stopping")
    return 0


def _print_table(console: Console, deployment: Deployment) -> None:
    table = Table("role", "address", "admin")
    endpoints = deployment.endpoints
    table.add_row("issuer", endpoints["issuer"]["token_request"], endpoints["issuer"]["admin"])
    table.add_row("relay", endpoints["relay"]["messages"], endpoints["relay"]["admin"])
    table.add_row("mirror", endpoints["mirror"]["gateway_keys"], endpoints["mirror"]["admin"])
    table.add_row("gateway", endpoints["gateway"]["messages"], endpoints["gateway"]["admin"])
    node = endpoints.get("node", {})
    table.add_row("node" if node else "target", endpoints["target"]["url"], node.get("admin", ""))
    console.print(table)
