"""One run from its beginning to its report."""

import asyncio
import os
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loadtest.analysis.build import Ended, build_report, step_figures
from loadtest.analysis.collector import Collector
from loadtest.analysis.report import Fault, Report
from loadtest.errors import LoadError
from loadtest.local.deployment import LocalDeployment
from loadtest.local.faults import FaultRun
from loadtest.local.watch import Watch, is_here, machine_times
from loadtest.prepared.content import Content
from loadtest.prepared.making import Making, Shelf
from loadtest.progress import Progress
from loadtest.settings import Settings
from loadtest.stock import Stock, folder_for
from loadtest.throttle.knee import knee
from loadtest.view.base import View
from loadtest.workers.fleet import Fleet
from loadtest.world import World
from tacita.client.issuance import read_credential

__all__ = ["Interrupted", "prepare", "run"]

_SILENT_SECONDS = 5.0
_SILENT_FAILURES = 20

T = TypeVar("T")


class Interrupted(Exception):
    """Ctrl-C before there was anything to report."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where the run takes place."""

    world: World
    shelf: Shelf
    local: LocalDeployment | None


async def prepare(settings: Settings, view: View, stop: asyncio.Event) -> str:
    """Make the requests of a run ahead, and return where they are.

    Raises `Interrupted`, and as `run`.
    """
    world = await _unless(stop, _look(settings, settings.endpoints))
    shelf = _shelf(settings, world)
    short = await _unless(stop, Stock.prepare(settings, shelf, view))
    if short:
        raise LoadError(short)
    return str(folder_for(settings, world, cache_folder()))


async def run(settings: Settings, view: View, stop: asyncio.Event) -> Report:
    """Do one run, and return its report, a partial one where something came in between.

    Raises:
        Interrupted: `stop` came before the first request.
        TacitaError: there was nothing to begin with, and why.
    """
    async with AsyncExitStack() as stack:
        local = None
        path = settings.endpoints
        if settings.local:
            local = await _unless(stop, stack.enter_async_context(LocalDeployment.running(settings)))
            path = local.endpoints
        world = await _unless(stop, _look(settings, path))
        scene = _Scene(world, _shelf(settings, world, local), local)
        short = await _unless(stop, Stock.prepare(settings, scene.shelf, view))
        if local is not None:
            await _unless(stop, local.wait_for_moment(view))
        return await _load(settings, scene, view, stop, short)


async def _look(settings: Settings, path: Path) -> World:
    return await World.look(path, list(settings.shares), settings.operated)


def _shelf(settings: Settings, world: World, local: LocalDeployment | None = None) -> Shelf:
    target = world.endpoints.target
    content = Content(target.url, target.model, settings.size, settings.max_tokens)
    folder = local.folder / "prepared" if local else folder_for(settings, world, cache_folder())
    return Shelf(folder, world, content, Making(max(2, settings.processes), settings.batch))


async def _load(settings: Settings, scene: _Scene, view: View, stop: asyncio.Event, short: str) -> Report:
    stock = Stock(settings, scene.world)
    stock.take(scene.shelf)
    credential = ""
    if "issue" in settings.shares:
        credential = read_credential(scene.world.endpoints.issuer.credential)
    ports = {party: address.port for party, address in scene.world.addresses.items() if is_here(address.ip)}
    ports |= scene.local.ports if scene.local else {}
    watch = Watch(ports)
    books = await scene.local.books() if scene.local else {}
    collector = Collector(settings.processes)
    try:
        async with Fleet.of(stock.plans(credential)) as fleet:
            load = _Load(settings, scene, fleet=fleet, collector=collector, watch=watch, view=view, stop=stop)
            await load.follow()
    except BaseException:
        stock.close(collector if collector.started else None)
        raise
    tokens = stock.close(collector)
    ended = Ended(
        stopped=load.stopped or short,
        machine=load.machine,
        faults=load.faults,
        processes=watch.processes(),
        tokens=tokens,
        books=await scene.local.books_since(books) if scene.local else {},
        local=bool(ports),
    )
    return build_report(settings, collector, ended)


class _Load:
    """The load while it goes on: what is shown, and when it has to end before its time."""

    def __init__(
        self,
        settings: Settings,
        scene: _Scene,
        *,
        fleet: Fleet,
        collector: Collector,
        watch: Watch,
        view: View,
        stop: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._collector = collector
        self._watch = watch
        self._view = view
        self._stop = stop
        self._local = scene.local
        self._answered = (0, 0.0, 0)
        self.stopped = ""
        self.faults: list[Fault] = []
        self.machine = 0.0

    async def follow(self) -> None:
        """Have the processes begin; return when all have ended."""
        idle, whole = machine_times()
        start = self._fleet.go()
        faults = FaultRun(self._local, self._settings.faults, start, self._view.note)
        tasks = [
            asyncio.create_task(self._interrupt()),
            asyncio.create_task(self._sample()),
            asyncio.create_task(faults.run()),
        ]
        progress = Progress(self._settings, self._collector, self._view, self._watch)
        try:
            async for number, tick in self._fleet.ticks():
                if tick is None:
                    self._collector.died.add(number)
                    self._end("A load process died; what it had under way is lost.")
                    continue
                self._collector.take(number, tick, start)
                after = (time.monotonic_ns() - start) / 1e9
                if not tick.done:
                    progress.show(after)
                self._judge(after)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await faults.undo()
        self.faults = faults.done
        later_idle, later_whole = machine_times()
        self.machine = (later_idle - idle) / max(1.0, later_whole - whole)

    def _judge(self, after: float) -> None:
        """End the run where going on would show nothing new."""
        answered = self._collector.outcomes.get("answered", 0)
        failed = sum(self._collector.outcomes.values()) - answered
        before, since, failures = self._answered
        if answered != before or not since:
            self._answered = (answered, after, failed)
        elif (
            after - since > _SILENT_SECONDS
            and failed - failures >= _SILENT_FAILURES
            and not self._settings.faults
        ):
            self._end(f"The run was ended: nothing was answered well for {after - since:.0f} s.")
        if self._settings.ramp is not None and self._beyond_knee(after):
            self._fleet.stop()

    def _beyond_knee(self, after: float) -> bool:
        assert self._settings.ramp is not None
        # A step is judged when the one behind it has gone on for a second: its last answers are in then.
        ended = int((after - 1.0) / self._settings.ramp.seconds)
        return bool(knee(step_figures(self._settings, self._collector, ended)).why)

    async def _sample(self) -> None:
        while True:
            await asyncio.to_thread(self._watch.look)
            await asyncio.sleep(1.0)

    async def _interrupt(self) -> None:
        await self._stop.wait()
        self._end("The run was interrupted.")

    def _end(self, why: str) -> None:
        self.stopped = self.stopped or why
        self._fleet.stop()


def cache_folder() -> Path:
    """Return where prepared requests are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tacita-load"


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, T]) -> T:
    """Do `work` unless `stop` comes first. Raises `Interrupted`, and what it raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Interrupted
        return await working
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
