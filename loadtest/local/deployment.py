"""A deployment of the harness's own: what `tacita up` runs, with a target of known delay, and its books.

Everything lies in a folder that is gone afterwards. The account may have as many tokens as it wants.
"""

import asyncio
import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from loadtest.errors import FaultRefused
from loadtest.local.watch import listening_on
from loadtest.settings import Settings
from loadtest.view.base import View
from tacita.cli.deployment import Deployment, Process, to_toml
from tacita.cli.ports import free_ports
from tacita.cli.processes import Supervisor, run_command, supervised
from tacita.net.upstream import Upstream, UpstreamError

__all__ = ["LocalDeployment"]

_COUNTED = re.compile(r'^\w*tokens_total\{[^}]*event="(\w+)"[^}]*\} (\S+)$', re.MULTILINE)
_TOKENS = 1_000_000_000
_START_SECONDS = 8.0
_MADE_A_SECOND = 120
_STORE_SECONDS = 20.0


class LocalDeployment:
    """Running processes, and what faults need to know of them."""

    def __init__(self, folder: Path, deployment: Deployment, supervisor: Supervisor, boundary: int) -> None:
        self.folder = folder
        self.deployment = deployment
        self.supervisor = supervisor
        self._boundary = boundary
        self._first_at = 0.0
        self.delay = 0.0

    @property
    def endpoints(self) -> Path:
        """Where clients learn of it."""
        return self.deployment.folder / "endpoints.json"

    @property
    def processes(self) -> dict[str, Process]:
        """Every process by name."""
        return {process.name: process for process in self.deployment.processes}

    @property
    def ports(self) -> dict[str, int]:
        """The public port of each process but the second mirror, which has nothing to do."""
        return {name: _port(one.public) for name, one in self.processes.items() if name != "mirror"}

    def pids(self, name: str) -> list[int]:
        """Return the processes behind the public port of `name`."""
        return listening_on(self.ports[name])

    def store_pid(self) -> int:
        """Return the process of the spent store. Raises `FaultRefused` where it is no server."""
        try:
            return int((self.deployment.folder / "redis.pid").read_text())
        except (OSError, ValueError):
            raise FaultRefused("There is no Redis to pause; run with --store redis.") from None

    @classmethod
    @asynccontextmanager
    async def running(cls, settings: Settings) -> AsyncIterator[Self]:
        """Start everything, wait until it is ready; stop it in the end.

        Raises:
            TacitaError: something did not start, and why.
        """
        folder = Path(tempfile.mkdtemp(prefix="tacita-load-"))
        try:
            async with AsyncExitStack() as stack:
                yield await cls._start(settings, folder, stack)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @classmethod
    async def _start(cls, settings: Settings, folder: Path, stack: AsyncExitStack) -> Self:
        (target_port,) = free_ports(1)
        origin = f"http://127.0.0.1:{target_port}"
        made = Deployment.create(folder / "state", origin)
        target = Process("target", "loadtest.local.target", made.folder / "target.toml", origin, origin)
        _write(target.config, {"port": target_port, "delay": settings.target_delay})
        deployment = Deployment(made.folder, (*made.processes, target), made.endpoints)
        boundary, period = _boundary(settings)
        _edit(made.folder / "issuer.toml", {"tiers": {"standard": _TOKENS}})
        gateway: dict[str, Any] = {}
        if boundary:
            turning = {"period_seconds": period, "grace_seconds": _grace(settings)}
            gateway["keys"] = {**_read(made.folder / "gateway.toml")["keys"], **turning}
        if settings.store == "redis":
            store = Process("store", "loadtest.local.store", made.folder / "store.toml", "", "")
            socket = made.folder / "redis.sock"
            _write(store.config, {"folder": str(made.folder)})
            await stack.enter_async_context(supervised([store], made.folder / "logs"))
            await _appears(socket)
            gateway["store"] = {"redis": f"unix://{socket}"}
        _edit(made.folder / "gateway.toml", gateway)
        await run_command("issuer", made.account)
        supervisor = await stack.enter_async_context(supervised(deployment.processes, made.folder / "logs"))
        await supervisor.ready()
        deployment.announce()
        local = cls(folder, deployment, supervisor, boundary)
        local.delay = settings.target_delay
        local._first_at = next((one.at for one in settings.faults if one.name == "rotate-keys"), 0.0)
        local._check(settings)
        return local

    def _check(self, settings: Settings) -> None:
        names = {fault.name for fault in settings.faults}
        if "kill-worker" in names and len(self.pids("gateway")) < 2:
            raise FaultRefused("The gateway runs as one process here; kill-gateway ends that one.")

    async def wait_for_moment(self, view: View) -> None:
        """Where keys are to turn over in the run, wait until that is as far away as was asked for.

        Raises:
            FaultRefused: the moment is past: the preparation took longer than was thought.
        """
        if not self._boundary:
            return
        left = self._boundary - self._first_at - time.time()
        if left < 0:
            raise FaultRefused("The preparation took so long that the keys have turned over; run it again.")
        view.note(f"The load begins in {left:.0f} s, so that the keys turn over in it when they should.")
        await asyncio.sleep(left)

    async def restart(self, name: str) -> None:
        """Start the process `name`, which was killed, again; return when it is ready."""
        await self.supervisor.start(self.processes[name])
        await self.supervisor.ready()

    async def set_delay(self, seconds: float) -> None:
        """Have the target wait for so long before each answer."""
        async with (
            Upstream(self.processes["target"].public, connections=1) as target,
            target.request("POST", "/delay", [], f"{seconds * 1e3:g}".encode()),
        ):
            pass

    async def books(self) -> dict[str, int]:
        """Return what the gateway has counted of tokens so far, by event; empty where it cannot be asked."""
        try:
            async with (
                Upstream(self.processes["gateway"].admin, connections=1) as admin,
                admin.request("GET", "/metrics", []) as response,
            ):
                text = b"".join([piece async for piece in response.pieces()]).decode()
        except UpstreamError:
            return {}
        return {match[1]: int(float(match[2])) for match in _COUNTED.finditer(text)}

    async def books_since(self, before: Mapping[str, int]) -> dict[str, int]:
        """Return what it has counted since `before`; empty where it was started anew in between."""
        after = await self.books()
        difference = {event: times - before.get(event, 0) for event, times in after.items()}
        return {} if any(times < 0 for times in difference.values()) else difference


def _edit(path: Path, changes: Mapping[str, Any]) -> None:
    _write(path, {**_read(path), **changes})


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _write(path: Path, table: Mapping[str, Any]) -> None:
    path.write_text(to_toml(table), encoding="utf-8")


async def _appears(path: Path) -> None:
    try:
        async with asyncio.timeout(_STORE_SECONDS):
            while not path.exists():  # noqa: ASYNC110, ASYNC240 (nobody tells us)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise FaultRefused("redis-server did not start; is it installed?") from None


def _grace(settings: Settings) -> int:
    rotation = next(one for one in settings.faults if one.name == "rotate-keys")
    return max(1, round(rotation.lasting))


def _boundary(settings: Settings) -> tuple[int, int]:
    """Return the moment (UNIX seconds) at which the keys turn over, and the period that puts it there.

    Boundaries are multiples of the period. So the first second from the wanted one on is taken that is
    a multiple of some period in which no other boundary comes. Zeros where nothing is to turn over.
    """
    rotation = next((one for one in settings.faults if one.name == "rotate-keys"), None)
    if rotation is None:
        return 0, 0
    ahead = _START_SECONDS + settings.needed() / _MADE_A_SECOND + rotation.at
    earliest = int(time.time() + ahead) + 1
    shortest = int(ahead + settings.duration + rotation.lasting) + 60
    for moment in range(earliest, earliest + 600):
        for period in range(shortest, 86_401):
            if moment % period == 0:
                return moment, period
    raise FaultRefused("The run is too long for keys that turn over in it.")


def _port(origin: str) -> int:
    return int(origin.rpartition(":")[2])
