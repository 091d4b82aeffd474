"""What the tests of faults share: a gateway of real processes under load, and the report of each fault.

Each report is printed (`pytest -rP`); where FAULT_REPORT names a file it is also added to that, as a
line of JSON.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import processes
from support.counting_target import CountingTarget, counting_target
from support.fault_load import Ledger, Load, tokens
from support.gateways import PATH, Gateway, Place
from support.ports import free_port, free_ports
from support.processes import Role, role

from tacita.ohttp.keyconfig import decode_list

TOKENS = 200


@dataclass
class Scene:
    """A gateway in processes of its own, its target, and the load for it."""

    role: Role
    gateway: Gateway
    target: CountingTarget
    load: Load
    again: Callable[[], Awaitable[Role]]

    async def ready(self) -> None:
        """Return when the gateway is ready."""
        await asyncio.wait_for(self.role.wait_ready(), 30)

    async def restart(self) -> None:
        """Start the gateway anew, which was killed, on the same files."""
        self.role = await self.again()
        await self.ready()


@pytest.fixture
def target(place: Place, tmp_path: Path) -> Iterator[CountingTarget]:
    """Run a target as a process, in place of the one inside the test's."""
    with counting_target(free_port(), tmp_path / "asked") as running:
        place.target.port = running.port
        yield running


@pytest.fixture
def scene(place: Place, target: CountingTarget) -> Callable[..., Any]:
    """Return what runs a gateway over the store that its configuration names, in `workers` processes."""

    @asynccontextmanager
    async def start(store: str, *, workers: int = 1) -> AsyncIterator[Scene]:
        port, admin_port = free_ports(2)
        text = place.config(port=port, admin_port=admin_port, store=store)
        command = ["-m", "gateway", *(("--workers", str(workers)) if workers > 1 else ())]
        async with role("gateway", text, place.folder, admin_port=admin_port, command=command) as running:
            _, keys = await Gateway(port, []).raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            gateway = Gateway(port, decode_list(keys))
            load = Load(gateway, tokens(TOKENS), target.asked)
            again = partial(
                processes.start, "gateway", text, place.folder, admin_port=admin_port, command=command
            )
            scene = Scene(running, gateway, target, load, again)
            try:
                yield scene
                assert "internal_error" not in scene.role.output()
            finally:
                if scene.role.process.returncode is None:
                    scene.role.process.kill()
                    await scene.role.process.wait()

    return start


@pytest.fixture
def report() -> Callable[[Ledger], None]:
    """Return what reports on a fault, and fails where a token was taken twice or burnt without need."""

    def tell(ledger: Ledger) -> None:
        print(ledger)
        if file := os.environ.get("FAULT_REPORT"):
            with Path(file).open("a") as stream:
                stream.write(json.dumps(ledger.table()) + "\n")
        assert ledger.twice == 0
        assert ledger.burnt_unstruck == 0
        assert ledger.answered == ledger.tokens - ledger.burnt

    return tell
