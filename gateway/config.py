"""The gateway's configuration file; deploy/config/gateway.toml is a commented sample."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tacita.crypto.keyring import Schedule
from tacita.service.config import Listen, Struct, origin_of

__all__ = [
    "GatewayConfig",
    "IssuerConfig",
    "KeysConfig",
    "Limits",
    "StoreConfig",
    "Target",
    "TokenBudget",
]

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class KeysConfig(Struct, frozen=True):
    """Where the chain lies that gives the gateway's keys, and how they turn over (docs/rotation.md).

    Instances behind one name agree on everything but the two paths.
    """

    state: Path
    """Each instance has a file of its own; it is made at the first start."""
    seed: Path | None = None
    """What another instance has exported: taken in place of a chain of our own, then destroyed."""
    period_seconds: int = 86_400
    """Boundaries are multiples of this since 1970-01-01T00:00Z. A recorded message can be opened by
    whoever steals what is here within its period (and within the one before, for the next key)."""
    grace_seconds: int = 600
    """How long keys are taken after their period, for messages that were sealed just before its end."""
    kems: tuple[Literal["x25519", "p256"], ...] = ("x25519",)
    """One key each, the preferred first."""

    def __post_init__(self) -> None:
        """Refuse a period without a boundary in sight, too long a grace, and a KEM that is named twice."""
        if not 1 <= self.period_seconds <= 366 * 86_400:
            raise ValueError("a period is between one second and 366 days")
        if not 0 <= self.grace_seconds <= min(3600, self.period_seconds - 1):
            raise ValueError("grace_seconds is at most 3600 and less than a period")
        if not self.kems or len(set(self.kems)) != len(self.kems):
            raise ValueError("kems names at least one KEM, and each once")
        if self.seed == self.state:
            raise ValueError("seed and state are different files")

    @property
    def schedule(self) -> Schedule:
        """The rule by which keys turn over. The grace is no matter of epochs."""
        return Schedule(self.period_seconds, redeemable=0)


class IssuerConfig(Struct, frozen=True):
    """Whose tokens are taken. `directory` is fetched from a mirror, not from the issuer itself."""

    name: str
    directory: str
    refresh_seconds: _Seconds = 300
    key_seconds: _Count = 14 * 86_400
    """How long after its not-before a key's tokens are taken; spent entries are kept as long."""


class TokenBudget(Struct, frozen=True):
    """What one token buys. Bytes are counted as encapsulated, on the wire; published with the challenge."""

    request_bytes: _Count = 1 << 20
    response_bytes: Annotated[int, msgspec.Meta(ge=4096)] = 8 << 20
    """At least what a refusal takes."""
    seconds: _Count = 300


class StoreConfig(Struct, frozen=True):
    """Where spent tokens are remembered: an SQLite file, or a Redis."""

    sqlite: Path | None = None
    redis: str | None = None
    redis_password: Path | None = None
    accept_replicas: bool = False

    def __post_init__(self) -> None:
        """Refuse none or both."""
        if (self.sqlite is None) == (self.redis is None):
            raise ValueError("set exactly one of sqlite and redis")


class Target(Struct, frozen=True):
    """A server that requests may be for.

    `origin` is what clients write in the request, exactly; `url` is where it is really reached, by
    default the same. A path in it is put before every request's. `unix` is a socket that is connected
    to instead, in plain HTTP.
    """

    origin: str
    url: str | None = None
    unix: Path | None = None
    token: bool = True
    connections: _Count = 512

    def __post_init__(self) -> None:
        """Refuse an origin with a path or in another spelling than its one, and a URL that is none."""
        if origin_of(self.origin) != self.origin:
            raise ValueError("an origin is scheme://host or scheme://host:port, without default port or path")
        origin_of(self.reached_at)
        if self.unix is not None and self.reached_at.startswith("https:"):
            raise ValueError("over a unix socket a target is reached by an http url")

    @property
    def reached_at(self) -> str:
        """The URL that the gateway connects to."""
        if self.url is None and self.unix is not None:
            return "http://" + self.origin.partition("://")[2]
        return self.url or self.origin


class Limits(Struct, frozen=True):
    """Bounds that no token changes."""

    piece_seconds: _Seconds = 30
    """The longest pause inside a request (nginx: client_body_timeout 60 s)."""
    connect_seconds: _Seconds = 5
    date_window_seconds: _Count = 300
    """How far a Date may be off, both ways (Kerberos and AWS SigV4 take 5 minutes too)."""
    exchanges: _Count = 1024
    """Messages under way at a time, in any state; one more is told 503. Each may hold an answer in memory."""


class GatewayConfig(Struct, frozen=True):
    """The whole file."""

    listen: Listen
    admin: Listen
    authority: str
    """The public authority that the challenge names: what clients put in the request inside."""
    keys: KeysConfig
    issuer: IssuerConfig
    store: StoreConfig
    targets: list[Target]
    token: TokenBudget = TokenBudget()
    limits: Limits = Limits()
    key_max_age_seconds: Annotated[int, msgspec.Meta(ge=0)] = 3600
    """For how long mirrors and clients keep the documents; no copy of the keys outlives a boundary."""
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be meant: no target, one origin twice."""
        if not self.targets or len({target.origin for target in self.targets}) != len(self.targets):
            raise ValueError("there is at least one target, and each origin is given once")
