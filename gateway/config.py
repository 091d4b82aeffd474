"""The gateway's configuration file; deploy/config/gateway.toml is a commented sample."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tacita.crypto.keyring import Schedule
from tacita.net.dial import may_be_public
from tacita.service.config import Listen, Struct, origin_of
from tacita.wire.authparams import MAX_CHALLENGES

__all__ = [
    "FrontConfig",
    "GatewayConfig",
    "IssuerConfig",
    "KeysConfig",
    "Limits",
    "ReplayConfig",
    "StoreConfig",
    "Target",
    "TokenBudget",
    "TokenTypeName",
]

_Count = Annotated[int, msgspec.Meta(ge=1)]
_ResponseBytes = Annotated[int, msgspec.Meta(ge=4096)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


_KeyDigest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class FrontConfig(Listen, frozen=True):
    """Where relays and mirrors come in, and how each shows which one it is (`gateway.front`)."""

    bearer: Path | None = None
    """A file (0600) with a secret for each relay, a line each. For tests, and behind a TLS terminator."""
    tls_client_keys: tuple[_KeyDigest, ...] = ()
    """Of the certificates that hang on `tls_client_authority` the only ones that are taken: the SHA-256 of
    each one's public key (SubjectPublicKeyInfo), in hexadecimal."""

    def __post_init__(self) -> None:
        """Refuse pinned keys of nobody's. Raises `ValueError` also as `Listen` does."""
        super().__post_init__()
        if self.tls_client_keys and self.tls_client_authority is None:
            raise ValueError("tls_client_keys wants tls_client_authority")


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
    kems: tuple[Literal["x25519", "p256", "xwing"], ...] = ("x25519",)
    """One key each, the preferred first: clients take the first that they know, and some know no other
    than the first of all. xwing is X25519 with ML-KEM-768, against who records today and has a quantum
    computer later."""

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


TokenTypeName = Literal["blind-rsa", "partially-blind-rsa", "voprf-p384", "voprf-ristretto255", "arc"]
"""Token types 0x0002, 0xDA7A, 0x0001, 0x0005 and 0xE5AC, by the names that issuers know them by."""

_PRIVATE = {"voprf-p384", "voprf-ristretto255", "arc"}


class IssuerConfig(Struct, frozen=True):
    """Whose tokens are taken. `directory` is fetched from a mirror, not from the issuer itself."""

    name: str
    directory: str
    refresh_seconds: _Seconds = 300
    key_seconds: _Count = 14 * 86_400
    """How long after its not-before a key's tokens are taken; spent entries are kept as long."""
    token_types: tuple[TokenTypeName, ...] = ("blind-rsa",)
    """The preferred first: each is a challenge of its own, and an anonymity set of its own."""
    key_folder: Path | None = None
    """The issuer's keys themselves, for types that only they can verify: for who runs both."""
    presentation_limit: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 100
    """How often a credential of type arc can be presented: as the issuer's configuration says."""

    def __post_init__(self) -> None:
        """Refuse a type that is named twice, or has not what it needs, and what no type needs."""
        types = set(self.token_types)
        if not types or len(types) != len(self.token_types):
            raise ValueError("token_types names at least one type, and each once")
        if bool(types & _PRIVATE) != (self.key_folder is not None):
            raise ValueError(f"{', '.join(sorted(_PRIVATE))} need a key_folder; other types have none")


class TokenBudget(Struct, frozen=True):
    """What one token buys. Bytes are counted as encapsulated, on the wire; published with the challenge."""

    request_bytes: _Count = 1 << 20
    response_bytes: _ResponseBytes = 8 << 20
    """At least what a refusal takes."""
    seconds: _Count = 300


class StoreConfig(Struct, frozen=True):
    """Where spent tokens are remembered: an SQLite file, or a Redis (or a cluster of it)."""

    sqlite: Path | None = None
    redis: str | None = None
    """An address as in `tacita.service.redis.address`: of one server, or of some nodes of a cluster."""
    redis_password: Path | None = None
    redis_authority: Path | None = None
    """The roots (PEM) that its TLS certificate hangs on, instead of the system's."""
    accept_replicas: bool = False

    def __post_init__(self) -> None:
        """Refuse none or both of the places."""
        if (self.sqlite is None) == (self.redis is None):
            raise ValueError("set exactly one of sqlite and redis")
        if self.redis is None and (self.redis_password or self.redis_authority or self.accept_replicas):
            raise ValueError("redis_password, redis_authority and accept_replicas go with redis")


class Target(Struct, frozen=True):
    """A server that requests may be for.

    `origin` is what clients write in the request, exactly; `url` is where it is really reached, by
    default the same. A path in it is put before every request's. `urls` are several such places that
    share the load. `unix` is a socket that is connected to instead, in plain HTTP.
    """

    origin: str
    url: str | None = None
    urls: tuple[str, ...] = ()
    unix: Path | None = None
    private: bool = False
    """Whether the origin's own name may lead to a private address. Where a target is mapped, what it is
    mapped to may be anywhere."""
    token: bool = True
    connections: _Count = 512
    """To each place."""
    response_bytes: _ResponseBytes | None = None
    """The longest answer, where that is less than what one token buys."""

    def __post_init__(self) -> None:
        """Refuse an origin in another spelling than its one, one that leads nowhere, and two ways to one."""
        if origin_of(self.origin) != self.origin:
            raise ValueError("an origin is scheme://host or scheme://host:port, without default port or path")
        if self.urls and (self.url is not None or self.unix is not None):
            raise ValueError("a target has a url, several urls, or a unix socket")
        for url in self.reached_at:
            origin_of(url)
        if self.unix is not None and self.reached_at[0].startswith("https:"):
            raise ValueError("over a unix socket a target is reached by an http url")
        if not self.anywhere and not may_be_public(self.origin):
            raise ValueError("an origin at a private address needs private = true, or a url")

    @property
    def reached_at(self) -> tuple[str, ...]:
        """The URLs that the gateway connects to."""
        if self.urls:
            return self.urls
        if self.url is None and self.unix is not None:
            return ("http://" + self.origin.partition("://")[2],)
        return (self.url or self.origin,)

    @property
    def anywhere(self) -> bool:
        """Whether the operator has said where it is, or that it may be at a private address."""
        return self.private or bool(self.urls) or self.url is not None or self.unix is not None


class ReplayConfig(Struct, frozen=True):
    """How much room there is to remember messages, so that none is served twice (`gateway.replay`)."""

    requests_per_second: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 5
    """What one relay may bring for targets without a token, on average over the life of a key."""


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

    listen: FrontConfig
    admin: Listen
    authority: str
    """The public authority that the challenge names: what clients put in the request inside."""
    keys: KeysConfig
    issuers: list[IssuerConfig]
    """The preferred first."""
    store: StoreConfig
    targets: list[Target]
    token: TokenBudget = TokenBudget()
    replay: ReplayConfig = ReplayConfig()
    limits: Limits = Limits()
    key_max_age_seconds: Annotated[int, msgspec.Meta(ge=0)] = 3600
    """For how long mirrors and clients keep the documents; no copy of the keys outlives a boundary."""
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 30

    def __post_init__(self) -> None:
        """Refuse what cannot be meant: no target or issuer, one twice, more challenges than a field takes."""
        if not self.issuers or len({issuer.name for issuer in self.issuers}) != len(self.issuers):
            raise ValueError("there is at least one issuer, and each name is given once")
        if sum(len(issuer.token_types) for issuer in self.issuers) > MAX_CHALLENGES:
            raise ValueError(
                f"there are at most {MAX_CHALLENGES} challenges: one for each type of each issuer"
            )
        if not self.targets or len({target.origin for target in self.targets}) != len(self.targets):
            raise ValueError("there is at least one target, and each origin is given once")
