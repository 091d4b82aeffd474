"""What the harness and its processes say to each other: msgpack in frames, over pipes."""

import msgspec

from loadtest.throttle.arrivals import Step

__all__ = ["Failed", "Go", "Lane", "Made", "MakePlan", "Measured", "Plan", "Ready", "Stop", "Tick"]


class Lane(msgspec.Struct, frozen=True):
    """One scenario in one load process: where to, with which records, and its share of the requests.

    `head` is the HTTP request's head before its Content-Length; `issuer_key` (SPKI) and `challenge`
    (digest) check what an issuer answers.
    """

    scenario: str
    ip: str
    port: int
    host: str
    tls: bool
    head: bytes
    file: str
    spans: tuple[tuple[int, int], ...]
    share: float
    batch: int = 1
    issuer_key: bytes = b""
    challenge: bytes = b""


class Plan(msgspec.Struct, frozen=True, tag=True):
    """Everything that a load process needs. `steps` empty: a closed loop of `concurrency` for `seconds`."""

    lanes: tuple[Lane, ...]
    steps: tuple[Step, ...]
    arrivals: str
    concurrency: int
    seconds: float
    connections: int
    timeout: float
    seed: int
    share: float
    offset: float


class Ready(msgspec.Struct, frozen=True, tag=True):
    """A load process has read its plan."""


class Go(msgspec.Struct, frozen=True, tag=True):
    """Begin when the monotonic clock, which all processes of a machine share, shows `at` (ns)."""

    at: int


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Begin no more requests, wait for those under way, and end."""


class Measured(msgspec.Struct):
    """What happened to one scenario in one step since the last tick. Times are counts of microseconds."""

    scenario: str
    step: int
    started: int = 0
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    latency: dict[int, int] = msgspec.field(default_factory=dict)
    """From the moment at which the request was due to the end of its answer, answered ones only."""
    service: dict[int, int] = msgspec.field(default_factory=dict)
    """The same from the moment at which it was sent."""
    first: dict[int, int] = msgspec.field(default_factory=dict)
    """From when it was due to the first event of a stream."""
    gaps: dict[int, int] = msgspec.field(default_factory=dict)
    """Between two events of a stream."""
    units: int = 0
    """Tokens that were issued, in the scenario `issue`; else events of streams."""


class Tick(msgspec.Struct, frozen=True, tag=True):
    """What a load process did since its last tick."""

    at: int
    measured: tuple[Measured, ...]
    late: dict[int, int]
    """How long after its moment each request was handed to a connection or to the queue for one."""
    queued: int
    """How many requests had to wait for a free connection."""
    busy: float
    """CPU seconds over seconds, of this process."""
    in_flight: int
    used: dict[str, int]
    """By scenario: how many records were handed out so far."""
    done: bool = False
    dry: bool = False
    """Whether the records ran out before the time did."""


class MakePlan(msgspec.Struct, frozen=True, tag=True):
    """Make `count` records of `kind`, `batch` tokens at a time."""

    kind: str
    count: int
    batch: int
    key_config: bytes
    challenge: bytes
    directory: bytes
    token_request: str
    credential: str
    target: str
    model: str
    size: int
    max_tokens: int


class Made(msgspec.Struct, frozen=True, tag=True):
    """Some records, encoded."""

    records: tuple[bytes, ...]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A process cannot go on; `kind` is the name of the error, `sentence` is ours and fit to be shown."""

    kind: str
    sentence: str
