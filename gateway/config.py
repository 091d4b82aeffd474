"""The gateway's configuration file; deploy/config/gateway.toml is a commented sample."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tacita.service.config import Listen, Struct, origin_of

__all__ = [
    "GatewayConfig",
    "IssuerConfig",
    "KeyConfigEntry",
    "Limits",
    "StoreConfig",
    "Target",
    "TokenBudget",
]

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class KeyConfigEntry(Struct, frozen=True):
    """One key that the gateway advertises: its id, its KEM, and the file of its private key (raw, 0600).

    The file is made at the first start. Several instances behind one name need the same file.
    """

    id: int
    private_key: Path
    kem: Literal["x25519", "p256"] = "x25519"

    def __post_init__(self) -> None:
        """Refuse an id that is not one byte."""
        if not 0 <= self.id <= 255:
            raise ValueError("a key id is between 0 and 255")


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
    keys: list[KeyConfigEntry]
    issuer: IssuerConfig
    store: StoreConfig
    targets: list[Target]
    token: TokenBudget = TokenBudget()
    limits: Limits = Limits()
    key_max_age_seconds: Annotated[int, msgspec.Meta(ge=0)] = 3600
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be meant: no key or target, one id or origin twice."""
        if not self.keys or len({key.id for key in self.keys}) != len(self.keys):
            raise ValueError("there is at least one key, and each id is given once")
        if not self.targets or len({target.origin for target in self.targets}) != len(self.targets):
            raise ValueError("there is at least one target, and each origin is given once")
