"""Doing faults to a deployment of the harness's own while the load runs, and undoing them."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from loadtest.analysis.report import Fault
from loadtest.local.deployment import LocalDeployment
from loadtest.local.plan import FaultPlan
from loadtest.local.watch import family
from tacita.errors import TacitaError

__all__ = ["FaultRun"]

Undo = Callable[[], Awaitable[None]]


class FaultRun:
    """Carries out `plans` on a run that begins at `start` (ns of the monotonic clock)."""

    def __init__(
        self,
        local: LocalDeployment | None,
        plans: Sequence[FaultPlan],
        start: int,
        note: Callable[[str], None],
    ) -> None:
        self._local = local
        self._plans = plans
        self._start = start
        self._note = note
        self._undone: dict[int, Undo] = {}
        self.done: list[Fault] = []

    async def run(self) -> None:
        """Do everything when it is due."""
        if self._local is not None:
            async with asyncio.TaskGroup() as tasks:
                for number, plan in enumerate(self._plans):
                    tasks.create_task(self._one(self._local, number, plan))

    async def undo(self) -> None:
        """Undo what is still in force: the load is over."""
        for number in list(self._undone):
            await self._end(number)

    async def _one(self, local: LocalDeployment, number: int, plan: FaultPlan) -> None:
        await asyncio.sleep(max(0.0, plan.at - self._now()))
        begin = self._now()
        self._note(f"{begin:.1f} s: {plan.name}")
        fault = Fault(plan.name, begin, begin)
        self.done.append(fault)
        self._undone[number] = await _do(local, plan)
        await asyncio.sleep(plan.lasting)
        await self._end(number)
        fault.end = self._now()
        self._note(f"{fault.end:.1f} s: {plan.name} is over")

    async def _end(self, number: int) -> None:
        undo = self._undone.pop(number, None)
        if undo is not None:
            try:
                await undo()
            except TacitaError as error:
                self._note(str(error))

    def _now(self) -> float:
        return (time.monotonic_ns() - self._start) / 1e9


async def _do(local: LocalDeployment, plan: FaultPlan) -> Undo:
    kind, _, name = plan.name.partition("-")
    if plan.name == "kill-worker":
        # The oldest of them may be the one that looks after the others.
        _signal([local.pids("gateway")[-1]], signal.SIGKILL)
        return _nothing
    if kind == "kill":
        _signal([member for pid in local.pids(name) for member in family(pid)], signal.SIGKILL)
        return lambda: local.restart(name)
    if plan.name == "cut-gateway":
        members = [member for pid in local.pids(name) for member in family(pid)]
        return _stopped(members)
    if plan.name == "pause-redis":
        return _stopped([local.store_pid()])
    if plan.name == "slow-target":
        await local.set_delay(plan.value)
        return lambda: local.set_delay(local.delay)
    # Keys turn over by themselves: the deployment was made so that they do at this moment.
    return _nothing


def _stopped(pids: list[int]) -> Undo:
    _signal(pids, signal.SIGSTOP)

    async def go_on() -> None:
        _signal(pids, signal.SIGCONT)

    return go_on


async def _nothing() -> None:
    pass


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
