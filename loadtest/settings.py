"""What a run is to be: the arguments of the command line, read and checked."""

import argparse
import os
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from loadtest import notation
from loadtest.analysis.goal import Condition, parse
from loadtest.errors import UsageError
from loadtest.local.plan import FaultPlan, parse_fault
from loadtest.notation import Ramp
from loadtest.scenarios import MIXED, SCENARIOS
from loadtest.throttle.arrivals import Arrivals, Step

__all__ = ["Outputs", "Settings"]

_MIX = "ask=80,stream=15,issue=5"
_POISSON_ROOM = 5.0
"""Standard deviations more than the mean are prepared: chance never runs dry."""

_CLOSED_REQUESTS = 5_000


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the report goes."""

    json: Path | None
    markdown: Path | None
    html: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    """One run."""

    scenario: str
    shares: dict[str, float]
    endpoints: Path
    local: bool
    operated: tuple[str, ...]
    rate: float | None
    arrivals: Arrivals
    concurrency: int
    seconds: float
    requests: int | None
    ramp: Ramp | None
    soak: bool
    processes: int
    connections: int
    timeout: float
    size: int
    max_tokens: int
    batch: int
    prepared: Path | None
    target_delay: float
    store: str
    faults: tuple[FaultPlan, ...]
    goal: tuple[Condition, ...]
    outputs: Outputs
    seed: int

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of an open loop; none for a closed one."""
        if self.ramp is not None:
            return tuple(Step(rate, self.ramp.seconds) for rate in self.ramp.rates())
        if self.rate is not None:
            return (Step(self.rate, self.seconds),)
        return ()

    @property
    def duration(self) -> float:
        """How long requests are begun, in seconds, unless the records run out."""
        return sum(step.seconds for step in self.steps) if self.steps else self.seconds

    def needed(self) -> int:
        """How many requests have to be prepared, over all scenarios."""
        if self.requests is not None:
            return self.requests
        if not self.steps:
            return _CLOSED_REQUESTS
        due = sum(step.rate * step.seconds for step in self.steps)
        room = _POISSON_ROOM * sqrt(due) if self.arrivals == "poisson" else 0.0
        return round(due + room) + self.processes

    def needed_of(self, scenario: str) -> int:
        """How many of them are for `scenario`: which is next is chance, so some more than its share."""
        share = self.shares[scenario]
        if len(self.shares) == 1:
            return self.needed()
        mean = self.needed() * share
        return round(mean + _POISSON_ROOM * sqrt(mean * (1 - share))) + self.processes

    def described(self) -> dict[str, str]:
        """Return what a reader of the report wants to know, without addresses."""
        if self.ramp is not None:
            loop = f"open loop, {self.ramp.first:,.0f} to {self.ramp.last:,.0f} requests/s"
        elif self.rate is not None:
            loop = f"open loop, {self.rate:,.0f} requests/s"
        else:
            loop = f"closed loop, {self.concurrency} under way (not corrected for coordinated omission)"
        mix = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        return {
            "scenario": f"{MIXED} ({mix})" if self.scenario == MIXED else self.scenario,
            "loop": loop,
            "arrivals": self.arrivals if self.steps else "",
            "time": notation.seconds_text(self.duration),
            "question": f"{self.size:,} bytes",
            "connections": f"{self.connections} at most for each of {self.processes} processes",
            "deployment": (
                f"local, target delay {notation.seconds_text(self.target_delay)}, store {self.store}"
                if self.local
                else "of the endpoints"
            ),
        }

    @classmethod
    def read(cls, options: argparse.Namespace) -> "Settings":
        """Return the settings that `options` spell.

        Raises:
            UsageError: two of them contradict each other, or one means nothing.
        """
        if options.scenario == MIXED:
            shares = notation.mix(options.mix or _MIX, SCENARIOS)
        elif options.mix:
            raise UsageError("--mix goes with the scenario mixed.")
        else:
            shares = {options.scenario: 1.0}
        if options.ramp and options.rate:
            raise UsageError("--ramp sets the rates by itself; leave --rate out.")
        if options.ramp and options.seconds:
            raise UsageError("A ramp has its time in itself, as 100..5000/10s; leave --seconds out.")
        if options.faults and not options.local:
            raise UsageError("--fault is for a deployment of the harness's own; add --local.")
        if options.local and options.endpoints:
            raise UsageError("--local has endpoints of its own; leave --endpoints out.")
        seconds = notation.duration(options.seconds) if options.seconds else (600.0 if options.soak else 10.0)
        if seconds < 1:
            raise UsageError("A run takes a second at least.")
        faults = tuple(parse_fault(text) for text in options.faults)
        if any(fault.name == "pause-redis" for fault in faults) and options.store != "redis":
            raise UsageError("To pause Redis there has to be one; add --store redis.")
        return cls(
            scenario=options.scenario,
            shares=shares,
            endpoints=options.endpoints or _default_endpoints(),
            local=options.local,
            operated=tuple(options.operated),
            rate=_rate(options.rate),
            arrivals=options.arrivals,
            concurrency=notation.count(options.concurrency),
            seconds=seconds,
            requests=notation.count(options.requests) if options.requests else None,
            ramp=notation.ramp(options.ramp) if options.ramp else None,
            soak=options.soak,
            processes=notation.count(options.processes) if options.processes else _processes(options),
            connections=notation.count(options.connections),
            timeout=max(0.1, notation.duration(options.timeout)),
            size=notation.count(options.size),
            max_tokens=notation.count(options.max_tokens),
            batch=notation.count(options.batch),
            prepared=options.prepared,
            target_delay=notation.duration(options.target_delay),
            store=options.store,
            faults=faults,
            goal=parse(options.goal) if options.goal else (),
            outputs=Outputs(options.json, options.markdown, options.html),
            seed=options.seed,
        )


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    plain = text.replace(",", "").replace("_", "")
    try:
        rate = float(plain)
    except ValueError:
        rate = -1.0
    if not 0.01 <= rate <= 1e7:
        raise UsageError("A rate is a number of requests a second, from 0.01 on.")
    return rate


def _processes(options: argparse.Namespace) -> int:
    """Half of the machine where the target shares it, else all of it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2) if options.local else max(1, cores - 1)


def _default_endpoints() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "tacita" / "endpoints.json"
