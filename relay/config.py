"""The relay's configuration file. Every limit has a default, and every default a precedent."""

import re
from urllib.parse import urlsplit

from tacita.service.config import Listen, Struct, origin_of

__all__ = ["GatewayConfig", "Limits", "MirrorLimits", "RelayConfig", "split_url"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")


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


class GatewayConfig(Struct, frozen=True):
    """One gateway, which has one resource of the relay, `/{name}` (RFC 9458, section 8.2)."""

    name: str
    url: str
    """Where encapsulated requests are posted and key configurations fetched (RFC 9540)."""
    challenge_url: str
    issuer_directory_url: str
    mirror_only: bool = False
    """Serve the documents, take no requests: a second source for the clients of another relay."""
    limits: Limits = Limits()
    mirror: MirrorLimits = MirrorLimits()

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


class RelayConfig(Struct, frozen=True):
    """The whole file."""

    listen: Listen
    admin: Listen
    gateways: tuple[GatewayConfig, ...]
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
