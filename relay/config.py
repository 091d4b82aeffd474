"""The relay's configuration file. Every limit has a default, and every default a precedent."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from tacita.net.urls import is_local
from tacita.service.config import Listen, Struct, origin_of

__all__ = [
    "AddressLimits",
    "BudgetConfig",
    "CoverConfig",
    "GatewayConfig",
    "GatewayTls",
    "Limits",
    "MirrorLimits",
    "PolicyConfig",
    "RelayConfig",
    "RelayLimits",
    "split_url",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")

_MOST_PURPOSE = 255
"""Bytes of a purpose: its length is one byte on the wire."""


class Limits(Struct, frozen=True):
    """What one exchange may take. Sizes in bytes, times in seconds."""

    # nginx: client_max_body_size 1m.
    request_bytes: int = 1 << 20
    # draft-ietf-ohai-chunked-ohttp-08, section 7.3: no message of AES-128-GCM beyond 2^30 bytes.
    response_bytes: int = 1 << 30
    # nginx: client_body_timeout and send_timeout 60s are per operation too; Apache's mod_reqtimeout
    # gives a body 20 s before it asks for a minimum rate.
    piece_seconds: float = 30.0
    # nginx: proxy_read_timeout and proxy_send_timeout 60s, each between two operations.
    gateway_piece_seconds: float = 60.0
    # Envoy: connect_timeout of a cluster, 5 s.
    connect_seconds: float = 5.0
    # nginx: keepalive_time 1h, the longest that one connection's requests are processed.
    exchange_seconds: float = 3600.0
    # nginx: worker_connections 512.
    connections: int = 512
    # Idle ones to choose from, so that a connection says little about who is behind it (`relay.direct`);
    # nginx's documentation keeps 16 and 32 idle ones in its examples of keepalive.
    spare_connections: int = 16

    def __post_init__(self) -> None:
        """Refuse what would switch a limit off. Raises `ValueError`."""
        if min(
            self.request_bytes,
            self.response_bytes,
            self.piece_seconds,
            self.gateway_piece_seconds,
            self.connect_seconds,
            self.exchange_seconds,
            self.connections,
        ) <= 0:  # fmt: skip
            raise ValueError("every limit is greater than zero")
        if self.spare_connections < 0:
            raise ValueError("spare_connections is at least zero")


class MirrorLimits(Struct, frozen=True):
    """How the mirrored documents are kept. Sizes in bytes, times in seconds."""

    # A directory of four RSA keys has about 2 KB. python-tuf bounds its small metadata with 16 KB and
    # its root with 512 KB.
    document_bytes: int = 64 << 10
    # Between two looks at a document, whatever its max-age says; unbound clamps TTLs in the same way
    # (cache-min-ttl, cache-max-ttl).
    refresh_min_seconds: float = 5.0
    refresh_max_seconds: float = 300.0
    # For the whole fetch of one document.
    fetch_seconds: float = 10.0
    # Clients of an origin that is away are served the last good copy for this long (RFC 5861,
    # stale-if-error); then 503.
    stale_seconds: float = 3600.0

    def __post_init__(self) -> None:
        """Refuse bounds that contradict each other. Raises `ValueError`."""
        if not 0 < self.refresh_min_seconds <= self.refresh_max_seconds:
            raise ValueError("refresh_min_seconds is greater than zero and at most refresh_max_seconds")
        if min(self.document_bytes, self.fetch_seconds, self.stale_seconds) <= 0:
            raise ValueError("every limit is greater than zero")


class CoverConfig(Struct, frozen=True):
    """How messages are delayed so that their times say less (`relay.cover`)."""

    policy: Literal["none", "jitter", "batch"] = "none"
    seconds: float = 1.0
    """The longest that a message waits, once on its way out and once on its way back."""
    group: int = 8
    """`batch`: how many messages go on together without waiting for `seconds`."""
    exchanges: int = 1024
    """How many exchanges are held at a time, each with up to 64 KiB; 503 beyond."""

    def __post_init__(self) -> None:
        """Refuse what covers nothing, or holds messages for too long. Raises `ValueError`."""
        # A gateway compares the Date of a message with its clock: a fifth of its usual window.
        if not 0 < self.seconds <= 60:
            raise ValueError("seconds is greater than zero and at most 60")
        if self.group < 2:
            raise ValueError("a group has at least 2")
        if self.exchanges < self.group:
            raise ValueError("exchanges is at least group")


class BudgetConfig(Struct, frozen=True):
    """How much of the relay one gateway may have; 503 beyond (`relay.budget`)."""

    requests_per_second: float | None = None
    concurrent: int | None = None
    """Exchanges at a time; without it, twice as many as there may be connections to the gateway."""
    bytes_per_second: float | None = None
    """Of messages and answers together, in the long run."""

    def __post_init__(self) -> None:
        """Refuse what would let nothing through. Raises `ValueError`."""
        given = (self.requests_per_second, self.concurrent, self.bytes_per_second)
        if any(limit is not None and limit <= 0 for limit in given):
            raise ValueError("every part of a budget is greater than zero")


class GatewayTls(Struct, frozen=True):
    """How the relay and the gateway know each other, where the gateway's URL is an https one."""

    authority: Path | None = None
    """The only roots (PEM) that the gateway's certificate may hang on; without it, the system's."""
    certificate: Path | None = None
    """What the relay shows to the gateway (PEM chain), and to nobody else."""
    private_key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse half a key pair. Raises `ValueError`."""
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")


class GatewayConfig(Struct, frozen=True):
    """One gateway, which has one resource of the relay, `/{name}` (RFC 9458, section 8.2)."""

    name: str
    url: str
    """Where encapsulated requests are posted and key configurations fetched (RFC 9540)."""
    challenge_url: str
    issuer_directory_url: str
    mirror_only: bool = False
    """Serve the documents, take no requests: a second source for the clients of another relay."""
    tls: GatewayTls = GatewayTls()
    bearer: Path | None = None
    """The file (mode 0600) with the secret that the relay says to this gateway, and to nobody else."""
    incremental: Literal["pass", "refuse"] = "pass"
    """What becomes of requests that are to be passed on as they come (RFC 10036)."""
    allowed_purposes: tuple[str, ...] = ()
    """Where there are any: the gateway has to allow one of them by itself (as in BIP 77)."""
    limits: Limits = Limits()
    mirror: MirrorLimits = MirrorLimits()
    cover: CoverConfig = CoverConfig()
    budget: BudgetConfig = BudgetConfig()

    def __post_init__(self) -> None:
        """Refuse names that cannot stand in a path and URLs that are none.

        Raises:
            ValueError: for the name.
            ConfigError: for a URL.
        """
        if not _NAME.match(self.name):
            raise ValueError("the name of a gateway is 1 to 32 of a-z, 0-9 and -, and begins with no -")
        for url in (self.url, self.challenge_url, self.issuer_directory_url):
            split_url(url)
        clear = not self.url.lower().startswith("https:")
        if clear and self.tls != GatewayTls():
            raise ValueError("tls wants an https url")
        if clear and self.bearer is not None and not is_local(self.url):
            raise ValueError("bearer wants an https url: the secret would be read on the way")
        if not all(0 < len(purpose.encode()) <= _MOST_PURPOSE for purpose in self.allowed_purposes):
            raise ValueError("each of allowed_purposes has 1 to 255 bytes")


class PolicyConfig(Struct, frozen=True):
    """What the operator says about the relay; the rest of its statement follows from the other tables."""

    operator: str = ""
    contact: str = ""
    """A URL, or an address of mail."""
    terms: str = ""
    """The URL of what the operator says to people."""
    jurisdiction: str = ""


class AddressLimits(Struct, frozen=True):
    """What the clients of one network may have together, in each process; 429 beyond (`relay.gate`).

    The defaults are for hundreds of people behind one address, as providers have them.
    """

    enabled: bool = True
    per_second: float = 50.0
    """Messages in the long run, and `burst` at once."""
    burst: int = 500
    concurrent: int = 256
    """Requests under way at a time."""
    documents_per_second: float = 10.0
    documents_burst: int = 200
    """The same for everything that is not a message."""
    connections: int = 512
    # A household has a /64 or a /56 (RFC 6177); nobody has less.
    ipv6_prefix: int = 64
    key_seconds: float = 3600.0
    """How long the key lives under which networks are told apart."""
    trusted_hops: int = 0
    """How many fronts that speak HTTP each request comes by; each adds one address to `trusted_field`."""
    trusted_field: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"

    def __post_init__(self) -> None:
        """Refuse what would let nothing through, or tells nobody apart. Raises `ValueError`."""
        counts = (self.burst, self.concurrent, self.documents_burst, self.connections)
        if min(*counts, self.per_second, self.documents_per_second, self.key_seconds) <= 0:
            raise ValueError("every limit is greater than zero")
        if not 16 <= self.ipv6_prefix <= 128:
            raise ValueError("ipv6_prefix is between 16 and 128")
        if not 0 <= self.trusted_hops <= 16:
            raise ValueError("trusted_hops is between 0 and 16")


class RelayLimits(Struct, frozen=True):
    """What all clients may have together, and what each network may."""

    # Some 100 MB of TLS sessions; nginx's worker_connections (512) is meant to be raised.
    connections: int = 10_240
    per_address: AddressLimits = AddressLimits()

    def __post_init__(self) -> None:
        """Refuse what would let nothing through. Raises `ValueError`."""
        if self.connections <= 0:
            raise ValueError("connections is greater than zero")


class RelayConfig(Struct, frozen=True):
    """The whole file."""

    listen: Listen
    admin: Listen
    gateways: tuple[GatewayConfig, ...]
    policy: PolicyConfig = PolicyConfig()
    limits: RelayLimits = RelayLimits()
    # Kubernetes: terminationGracePeriodSeconds 30.
    drain_seconds: float = 30.0
    drain_notice_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a relay without gateways, or with two of one name. Raises `ValueError`."""
        names = [gateway.name for gateway in self.gateways]
        if not names:
            raise ValueError("at least one [[gateways]] is needed")
        if len(set(names)) != len(names):
            raise ValueError("two [[gateways]] have the same name")


def split_url(url: str) -> tuple[str, str]:
    """Return the origin and the path of `url`. Raises `ConfigError` as `origin_of` does."""
    return origin_of(url), urlsplit(url).path or "/"
