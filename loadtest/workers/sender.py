"""The load process: takes records, sends each when it is due, and reports once a second."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

from loadtest.client.answers import BatchAnswer, OneShotAnswer, StreamAnswer
from loadtest.client.job import Answer, Job
from loadtest.client.outcomes import Outcome
from loadtest.client.pool import Pool
from loadtest.prepared.file import Reader
from loadtest.scenarios import SCENARIOS
from loadtest.throttle.alarm import alarm
from loadtest.throttle.arrivals import Arrivals, Due, schedule
from loadtest.workers.channel import Channel
from loadtest.workers.messages import Lane, Plan, Stop, Tick
from loadtest.workers.recorder import Recorder
from tacita.net import tls
from tacita.privacypass.types import blind_rsa

__all__ = ["Sender"]

_TICK_SECONDS = 1.0


class Sender:
    """Carries out one plan."""

    def __init__(self, plan: Plan, channel: Channel) -> None:
        """Open the files and make the pools. Raises `PreparedUnusable`."""
        self._plan = plan
        self._channel = channel
        self._chance = random.Random(plan.seed)  # noqa: S311 (which scenario is next: no secret)
        self._lanes = [_Sending(lane) for lane in plan.lanes]
        self._recorder = Recorder(
            [lane.scenario for lane in plan.lanes],
            [lane.batch if lane.scenario == "issue" else 0 for lane in plan.lanes],
        )
        self._pools = self._connect(plan)
        self._in_flight = 0
        self._started_all = False
        self._dry = False
        self._over = asyncio.Event()
        self._queued = 0
        self._busy = (time.process_time(), time.monotonic())

    def _connect(self, plan: Plan) -> list[Pool]:
        """Return a pool for each lane; lanes to one address share it."""
        context = None
        if any(lane.tls for lane in plan.lanes):
            context = tls.client_context()
        pools: dict[tuple[str, int], Pool] = {}
        for lane in plan.lanes:
            if (lane.ip, lane.port) not in pools:
                pools[lane.ip, lane.port] = Pool(
                    lane.ip,
                    lane.port,
                    finish=self._finished,
                    limit=plan.connections,
                    timeout=plan.timeout,
                    tls=context if lane.tls else None,
                    host=lane.host,
                )
        return [pools[lane.ip, lane.port] for lane in plan.lanes]

    async def run(self, at: int, stopping: asyncio.Task[Stop]) -> None:
        """Begin at `at` (ns), send the plan's requests, and return when each has ended."""
        await asyncio.sleep(max(0.0, (at - time.monotonic_ns()) / 1e9))
        ticker = asyncio.create_task(self._tick(at / 1e9))
        sending = asyncio.create_task(self._open(at) if self._plan.steps else self._closed(at))
        await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        self._started_all = True
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if self._in_flight:
            # Each has its own bound; this one is for what waits for a connection behind them.
            try:
                async with asyncio.timeout(2 * self._plan.timeout + 1):
                    await self._over.wait()
            except TimeoutError:
                pass
        for pool in set(self._pools):
            await pool.close()
        ticker.cancel()
        await asyncio.gather(ticker, return_exceptions=True)
        self._report(done=True)
        for lane in self._lanes:
            lane.close()

    async def _open(self, at: int) -> None:
        """Send what is due, whatever became of earlier ones."""
        plan = self._plan
        arrivals: Arrivals = "poisson" if plan.arrivals == "poisson" else "constant"
        due = schedule(plan.steps, arrivals, seed=plan.seed, share=plan.share, offset=plan.offset)
        rung = asyncio.Event()
        clock = alarm(rung.set)
        try:
            upcoming: Due | None = next(due, None)
            while upcoming is not None:
                now = time.monotonic_ns()
                while upcoming is not None and at + upcoming.after <= now:
                    if not self._start(at + upcoming.after, upcoming.step):
                        return
                    upcoming = next(due, None)
                if upcoming is not None:
                    rung.clear()
                    clock.set(at + upcoming.after)
                    await rung.wait()
            # To the end of the last step, and not of its last request: rates are over whole steps.
            end = at / 1e9 + sum(step.seconds for step in plan.steps)
            await asyncio.sleep(max(0.0, end - time.monotonic()))
        finally:
            clock.close()

    async def _closed(self, at: int) -> None:
        """Keep so many requests under way until the time is over."""
        for _ in range(self._plan.concurrency):
            if not self._start(time.monotonic_ns(), 0):
                return
        end = at / 1e9 + self._plan.seconds
        while not self._dry and time.monotonic() < end:  # noqa: ASYNC110 (by the clock, or dry)
            await asyncio.sleep(min(0.05, max(0.001, end - time.monotonic())))

    def _start(self, due: int, step: int) -> bool:
        """Begin one request; False when there are no records left."""
        number = 0
        if len(self._lanes) > 1:
            number = self._chance.choices(range(len(self._lanes)), [lane.lane.share for lane in self._lanes])[
                0
            ]
        job = self._lanes[number].job(number, step, due, self._recorder)
        if job is None:
            self._dry = True
            return False
        self._in_flight += 1
        self._recorder.started(job, time.monotonic_ns())
        self._pools[number].submit(job)
        return True

    def _finished(self, job: Job, outcome: Outcome, now: int) -> None:
        self._recorder.ended(job, outcome, now)
        self._in_flight -= 1
        if self._started_all:
            if not self._in_flight:
                self._over.set()
        elif not self._plan.steps and not self._dry:
            # Not from inside the connection's own callback: it is not free before that returns. Where
            # nothing was sent there is nothing to pace us, and a target that is down would be flooded.
            loop = asyncio.get_running_loop()
            if outcome.startswith("unsent"):
                loop.call_later(0.05, self._again)
            else:
                loop.call_soon(self._again)

    def _again(self) -> None:
        if not self._started_all and not self._dry:
            self._start(time.monotonic_ns(), 0)

    async def _tick(self, start: float) -> None:
        """Report at whole seconds after the start, so that the seconds of all processes are the same."""
        for second in itertools.count(1):
            await asyncio.sleep(max(0.0, start + second * _TICK_SECONDS - time.monotonic()))
            self._report()

    def _report(self, *, done: bool = False) -> None:
        measured, late = self._recorder.flush()
        queued = sum(pool.queued for pool in set(self._pools))
        used, now = (time.process_time(), time.monotonic())
        busy = (used - self._busy[0]) / max(1e-9, now - self._busy[1])
        self._busy = (used, now)
        self._channel.send(
            Tick(
                at=time.monotonic_ns(),
                measured=measured,
                late=late,
                queued=queued - self._queued,
                busy=busy,
                in_flight=self._in_flight,
                used={lane.lane.scenario: lane.used for lane in self._lanes},
                done=done,
                dry=self._dry,
            )
        )
        self._queued = queued


class _Sending:
    """One scenario: its file, how far it was used, and how a request of it is put together."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.used = 0
        self._wanted = SCENARIOS[lane.scenario].wanted
        self._kind = SCENARIOS[lane.scenario].kind
        self._reader = Reader(Path(lane.file))
        self._numbers: Iterator[int] = (number for span in lane.spans for number in range(*span))
        self._key = blind_rsa.load_public_key(lane.issuer_key) if lane.issuer_key else None

    def close(self) -> None:
        self._reader.__exit__(None)

    def job(self, number: int, step: int, due: int, recorder: Recorder) -> Job | None:
        """Return the next request, or None when there are no records left."""
        place = next(self._numbers, None)
        if place is None:
            return None
        self.used += 1
        record = self._reader[place]
        wire = b"%b%d\r\n\r\n%b" % (self.lane.head, len(record.body), record.body)
        answer: Answer
        if self._kind == "chunked":
            events = _Events(recorder)
            answer = StreamAnswer(record, self._wanted, events)
            job = events.job = Job(number, step, due, wire, answer)
            return job
        if self._key is not None:
            answer = BatchAnswer(record, self.lane.batch, self._key, self.lane.challenge)
        else:
            answer = OneShotAnswer(record, self._wanted)
        return Job(number, step, due, wire, answer)


class _Events:
    """Times the events of one stream."""

    __slots__ = ("_last", "_recorder", "job")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._last = 0
        self.job: Job | None = None

    def __call__(self, now: int) -> None:
        assert self.job is not None
        if self._last:
            self._recorder.next_event(self.job, now - self._last)
        else:
            self._recorder.first_event(self.job, now)
        self._last = now
