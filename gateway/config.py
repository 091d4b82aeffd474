"""The gateway's configuration file; deploy/config/gateway.toml is a commented sample."""

from pathlib import Path
from typing import Literal

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
    refresh_seconds: float = 300
    key_seconds: int = 90 * 86_400
    """How long after its not-before a key's tokens are taken; spent entries are kept as long."""


class TokenBudget(Struct, frozen=True):
    """What one token buys. Bytes are counted as encapsulated, on the wire; published with the challenge."""

    request_bytes: int = 1 << 20
    response_bytes: int = 8 << 20
    seconds: int = 300


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

    `origin` is what clients write in the request, exactly; `url` (or the socket `unix`) is where it
    is really reached, by default the same.
    """

    origin: str
    url: str | None = None
    unix: Path | None = None
    token: bool = True
    connections: int = 512

    def __post_init__(self) -> None:
        """Refuse an origin with a path or in another spelling than its one."""
        if origin_of(self.origin) != self.origin:
            raise ValueError("an origin is scheme://host or scheme://host:port, without default port or path")


class Limits(Struct, frozen=True):
    """Bounds that no token changes."""

    piece_seconds: float = 30
    """The longest pause inside a request (nginx: client_body_timeout 60 s)."""
    connect_seconds: float = 5
    date_window_seconds: int = 300
    """How far a Date may be off, both ways (Kerberos and AWS SigV4 take 5 minutes too)."""


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
    key_max_age_seconds: int = 3600
    drain_seconds: float = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be meant: no key, one id twice, one origin twice."""
        if not self.keys or len({key.id for key in self.keys}) != len(self.keys):
            raise ValueError("there is at least one key, and each id is given once")
        if len({target.origin for target in self.targets}) != len(self.targets):
            raise ValueError("each target origin is given once")
