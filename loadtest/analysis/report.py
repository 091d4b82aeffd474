"""The report of a run, as it stands in a JSON file: what everything else here is made from."""

from pathlib import Path
from statistics import median

import msgspec

from loadtest.analysis.ledger import Requests, Tokens
from loadtest.errors import ReportUnusable

__all__ = [
    "FORMAT",
    "Fault",
    "Generator",
    "Process",
    "Report",
    "ScenarioReport",
    "Second",
    "StepReport",
    "Verdict",
]

FORMAT = "tacita-load report 1"

Summary = dict[str, float]
"""count, mean, p50, p90, p99, p99.9 and max; seconds."""


class ScenarioReport(msgspec.Struct):
    """One scenario over the whole run. Latencies are those of answered requests."""

    started: int
    outcomes: dict[str, int]
    latency: Summary
    """From the moment at which a request was due: corrected for coordinated omission in an open loop."""
    service: Summary
    """From the moment at which it was sent: not corrected."""
    first: Summary
    gaps: Summary
    units: int
    histogram: str
    """The latencies in microseconds, as any HDR histogram tool reads them (V2, compressed, base64)."""


class Second(msgspec.Struct):
    """One second of the run; requests count where they ended, `started` where they began."""

    at: int
    started: int = 0
    answered: int = 0
    failed: int = 0
    latency: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """By scenario: microseconds (as text) and how often."""


class StepReport(msgspec.Struct):
    """One step of a ramp; requests count where they were due."""

    rate: float
    seconds: float
    started: int
    answered: int
    p50: float
    p99: float
    limited: bool = False


class Generator(msgspec.Struct):
    """How well the generator itself did. `limit` says in a sentence when that was the limit."""

    processes: int
    busy: float
    """The largest CPU share of a load process in any second but the first, 1 being a whole core."""
    busy_mean: float
    late_p50: float
    late_p99: float
    late_max: float
    """How long after its moment a request was handed over; seconds."""
    queued: int
    machine_idle: float
    """The part of this machine's CPU time that nobody used."""
    limit: str = ""


class Process(msgspec.Struct):
    """A process of the target on this machine, second by second."""

    name: str
    resident: list[float] = msgspec.field(default_factory=list)
    """MB, its children included."""
    descriptors: list[int] = msgspec.field(default_factory=list)
    cpu: float = 0.0
    """CPU seconds over the run."""

    @property
    def growth(self) -> float:
        """MB from the median of the run's second tenth (caches fill in the first) to that of the last."""
        return _growth([*self.resident])

    @property
    def descriptor_growth(self) -> float:
        """The same of open descriptors."""
        return _growth([float(one) for one in self.descriptors])


class Fault(msgspec.Struct):
    """Something that was done to the deployment; seconds after the start."""

    name: str
    begin: float
    end: float


class Verdict(msgspec.Struct):
    """One condition of a goal, what was found, and whether that is good enough."""

    condition: str
    found: float
    met: bool


class Report(msgspec.Struct):
    """A run."""

    created: str
    versions: dict[str, str]
    machine: str
    settings: dict[str, str]
    seconds: float
    """From the start to the last request that was begun."""
    requests: Requests
    tokens: Tokens
    scenarios: dict[str, ScenarioReport]
    series: list[Second]
    steps: list[StepReport]
    generator: Generator
    processes: list[Process] = msgspec.field(default_factory=list)
    faults: list[Fault] = msgspec.field(default_factory=list)
    books: dict[str, int] = msgspec.field(default_factory=dict)
    """The gateway's own count of tokens over the run, where the deployment is the harness's."""
    knee: str = ""
    findings: list[str] = msgspec.field(default_factory=list)
    """What is wrong, each in a sentence."""
    stopped: str = ""
    """Why the run ended before its time; then the report is a part of one."""
    goal: list[Verdict] = msgspec.field(default_factory=list)
    format: str = FORMAT

    @property
    def rate(self) -> float:
        """Requests answered well in a second of the run."""
        return self.requests.answered / self.seconds if self.seconds else 0.0

    def encode(self) -> bytes:
        """Return the report as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def load(cls, path: Path) -> "Report":
        """Read a report. Raises `ReportUnusable`."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise ReportUnusable(f"{path} cannot be read: {error.strerror}.") from None
        except msgspec.DecodeError:
            raise ReportUnusable(f"{path} is not a report of tacita-load.") from None
        if found.format != FORMAT:
            raise ReportUnusable(f"{path} is a report of another version of tacita-load.")
        return found


def _growth(values: list[float]) -> float:
    tenth = len(values) // 10
    if tenth < 1:
        return 0.0
    return median(values[-tenth:]) - median(values[tenth : 2 * tenth])
