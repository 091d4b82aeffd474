"""`--workers N`: a supervisor, and N processes that each do all of a role's work.

The workers share the role's port (SO_REUSEPORT: the kernel deals connections out), and through files and
stores everything that has to be one: keys, spent tokens, quotas. What a role bounds in memory it bounds in
each worker. The supervisor takes no connection but the operator's: it serves /livez, /readyz (all workers are
ready) and /metrics (all workers together), passes SIGHUP on, ends all on SIGTERM, and starts anew what ends.

The first worker starts alone, and the others once it listens: what is made at a first start is made by one,
and what is wrong is said once. A worker that cannot be configured ends them all with its exit code. One that
keeps ending young does too, with `EXIT_WORKERS`: what a new process does not mend is for whoever supervises
us. A worker whose supervisor is gone ends by itself, after what is under way.
"""

import asyncio
import os
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tacita.service.control import Line, Silent, State
from tacita.service.exits import EXIT_CONFIG, EXIT_TEMPORARY, EXIT_WORKERS
from tacita.service.families import Family, counted, render, together
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics

__all__ = ["LISTENING", "Pace", "Workers"]

LISTENING = "listening"
"""The condition of readiness that holds once the public port accepts connections."""

_OUR_SUPERVISOR = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon, how often and for how long. In seconds, but for `most`."""

    first: float = 0.1
    """Until a worker that ended is started anew; doubled each time,"""
    longest: float = 5.0
    """up to this."""
    steady: float = 10.0
    """A worker that has lived so long has not ended young."""
    most: int = 6
    """How many may end young in a row, in one place."""
    look: float = 0.5
    """Between two looks at how the workers are."""
    answer: float = 2.0
    """How long a worker may take to say it, before it counts as not ready,"""
    hung: float = 30.0
    """and before it is killed."""


@dataclass
class _Place:
    """One of the N: the worker that has it now, and what is known of it."""

    number: int
    process: Process | None = None
    line: Line | None = None
    state: State | None = None
    heard: float = 0.0
    ended: list[Family] = field(default_factory=list)
    """What its earlier workers have counted."""

    def signal(self, number: int) -> None:
        """Send the worker a signal, if there is one."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)


class Workers:
    """Keeps `count` workers running, each started as `command` with its number and its end of the line.

    The end is said to the worker as `NUMBER:DESCRIPTOR`, in the last argument.
    """

    def __init__(
        self, command: Sequence[str], count: int, log: Logger, metrics: Metrics, pace: Pace | None = None
    ) -> None:
        self._command = command
        self._places = [_Place(number) for number in range(1, count + 1)]
        self._log = log
        self._pace = pace or Pace()
        self._metrics = metrics
        self._running = metrics.gauge("workers", "Worker processes that run.")
        self._restarts = metrics.counter("worker_restarts", "Workers that had ended and were started anew.")
        self._over = asyncio.Event()
        self._code = 0

    # What the operator sees

    async def missing(self) -> list[str]:
        """Return what readiness waits for, in any of the workers."""
        if self._over.is_set():
            return ["stopping"]
        found: dict[str, None] = {}
        for state in await asyncio.gather(*map(self._ask, self._places)):
            found |= dict.fromkeys(["workers"] if state is None else state.missing)
        return list(found)

    async def render(self) -> bytes:
        """Return the metrics of all processes together, those that have ended among them."""
        await asyncio.gather(*map(self._ask, self._places))
        # A worker that did not answer now is shown as it was last.
        now = [place.state.families for place in self._places if place.state is not None]
        before = [place.ended for place in self._places]
        return render(together([*now, *before, self._metrics.families()]))

    # Their life

    async def run(self, listening: Callable[[], None], ready: Callable[[], None]) -> int:
        """Keep them running until `stop`; return the exit code.

        `listening` is called once all accept connections, `ready` once all are ready.
        """
        keeping = [self._task(self._keep(self._places[0]))]
        looking = self._task(self._look(listening, ready))
        over = asyncio.create_task(self._over.wait())
        try:
            while len(keeping) < len(self._places) and not over.done():
                state = self._places[0].state
                if state is not None and LISTENING not in state.missing:
                    keeping += [self._task(self._keep(place)) for place in self._places[1:]]
                await asyncio.wait({over}, timeout=0.05)
            await over
            await self._end()
            await asyncio.wait(keeping)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return self._code

    def stop(self, code: int = 0) -> None:
        """Have all of them end; the exit code is `code`, unless another was first."""
        if not self._over.is_set():
            self._code = code
            self._over.set()

    async def reload(self) -> None:
        """Have all of them take anew what changes; return when they have, or took too long."""
        before: dict[int, int] = {}
        for place in self._places:
            # One that has not answered yet has all of it before itself.
            if (state := await self._ask(place)) is not None:
                before[place.number] = state.reloads
                place.signal(signal.SIGHUP)
        deadline = asyncio.get_running_loop().time() + self._pace.hung
        while before and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
            for place in self._places:
                if (state := await self._ask(place)) is None or state.reloads != before.get(place.number):
                    before.pop(place.number, None)

    def _task(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Do `work` beside; a defect in it is the end."""

        def done(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._log.internal_error(error)
                self.stop(EXIT_WORKERS)

        task = asyncio.create_task(work)
        task.add_done_callback(done)
        return task

    async def _ask(self, place: _Place) -> State | None:
        """Return how the worker is; None where it does not say."""
        line = place.line
        if line is None:
            return None
        try:
            state = await line.ask(self._pace.answer)
        except Silent:
            return None
        if line is place.line:
            place.state, place.heard = state, asyncio.get_running_loop().time()
        return state

    async def _look(self, listening: Callable[[], None], ready: Callable[[], None]) -> None:
        """Ask them all, again and again, and kill what has hung."""
        told_listening = told_ready = False
        while True:
            states = await asyncio.gather(*map(self._ask, self._places))
            missing = [state.missing if state is not None else [LISTENING] for state in states]
            if not told_listening and not any(LISTENING in one for one in missing):
                told_listening = True
                listening()
            if not told_ready and not any(missing):
                told_ready = True
                ready()
            now = asyncio.get_running_loop().time()
            for place, state in zip(self._places, states, strict=True):
                # Before it has said anything it may be busy for long, making keys.
                if state is None and place.state is not None and now - place.heard > self._pace.hung:
                    self._log.event("worker_hung", number=place.number)
                    place.heard = now
                    place.signal(signal.SIGKILL)
            await asyncio.sleep(self._pace.look if told_ready else min(0.05, self._pace.look))

    async def _keep(self, place: _Place) -> None:
        """Start a worker, and another one whenever it ends, until told to stop."""
        pace, loop = self._pace, asyncio.get_running_loop()
        young = 0
        while not self._over.is_set():
            begun = loop.time()
            async with self._started(place) as process:
                code = await process.wait()
            if self._over.is_set():
                # One that was told before it could listen to that has ended well, too.
                if not self._code and code not in {0, -signal.SIGTERM}:
                    self._code = code if code > 0 else 128 - code
                return
            self._log.event("worker_ended", number=place.number, code=code)
            if code == EXIT_CONFIG:
                self.stop(code)
                return
            young = young + 1 if loop.time() - begun < pace.steady else 1
            if young >= pace.most and code != EXIT_TEMPORARY:
                self._log.event("workers_keep_ending", number=place.number)
                self.stop(EXIT_WORKERS)
                return
            pause = min(pace.longest, pace.first * 2 ** min(young - 1, 16))
            try:
                async with asyncio.timeout(pause):
                    await self._over.wait()
            except TimeoutError:
                self._restarts.inc()

    @asynccontextmanager
    async def _started(self, place: _Place) -> AsyncIterator[Process]:
        """Have a worker in `place` for as long as it runs; keep what it has counted."""
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if name not in _OUR_SUPERVISOR}
        with theirs:
            place.process = process = await asyncio.create_subprocess_exec(
                *self._command,
                f"{place.number}:{theirs.fileno()}",
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment,
            )
        if self._over.is_set():
            place.signal(signal.SIGTERM)
        place.line = line = await Line.on(ours)
        self._running.inc()
        try:
            yield process
        finally:
            self._running.dec()
            if place.state is not None:
                place.ended = together([place.ended, counted(place.state.families)])
            place.process = place.line = place.state = None
            await line.close()

    async def _end(self) -> None:
        """Tell all to end, and kill those that take longer than they said that they may."""
        for place in self._places:
            place.signal(signal.SIGTERM)
        bound = max((place.state.stop_seconds for place in self._places if place.state), default=0.0)
        deadline = asyncio.get_running_loop().time() + bound + self._pace.longest
        while any(place.process is not None for place in self._places):
            if asyncio.get_running_loop().time() > deadline:
                for place in self._places:
                    place.signal(signal.SIGKILL)
            await asyncio.sleep(0.02)
