"""What a server needs to know to stand in the place of the relay's forwarder: checked plain values.

A renderer writes nothing that has not gone through here. Names, hosts, paths and files are allowed by
what they consist of, never escaped: what is left has no meaning in either server's language, so no
value of a configuration can become a directive.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from relay.config import GatewayConfig, RelayConfig, split_url
from relay.document import DOCUMENTS
from relay.policy import PATHS
from tacita.errors import ConfigError

__all__ = ["ROOTS", "Address", "Front", "Plan", "Route", "Verification", "plan"]

ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
"""The system's roots, as Debian keeps them."""

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_PATH = re.compile(r"/[A-Za-z0-9._~%@:+,=&/-]*")
_FILE = re.compile(r"/[A-Za-z0-9._@+/-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect: `host` and `port`, or the unix socket `unix`."""

    host: str = ""
    port: int = 0
    unix: str = ""

    def __str__(self) -> str:
        """Return host and port as both servers write them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Return the address that `HOST:PORT` says. Raises `ConfigError`."""
        parts = urlsplit(f"//{text}")
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if not port or parts.path or parts.query or "@" in text:
            raise ConfigError("An address to listen at is HOST:PORT, an IPv6 address in brackets.")
        return cls(_host(host), port)


@dataclass(frozen=True, slots=True)
class Front:
    """What the configuration of the relay does not say: where clients come in, and whom to trust."""

    listen: Address
    certificate: Path | None = None
    private_key: Path | None = None
    roots: Path = ROOTS

    def __post_init__(self) -> None:
        """Refuse half a key pair. Raises `ConfigError`."""
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigError("A TLS certificate and its private key go together.")


@dataclass(frozen=True, slots=True)
class Route:
    """One gateway whose requests the server forwards itself. Sizes in bytes, times in milliseconds."""

    name: str
    gateway: Address
    tls: "Verification | None"
    authority: str
    """What stands in Host."""
    path: str
    request_bytes: int
    response_bytes: int
    piece: int
    gateway_piece: int
    connect: int
    connections: int
    incremental: bool
    """Whether requests that are to be passed on as they come are taken."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How a server and a gateway know each other: absolute files, empty where there is none."""

    host: str
    roots: str
    certificate: str
    private_key: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a renderer may write. Files are absolute."""

    listen: Address
    certificate: str
    private_key: str
    relay: Address
    """The relay behind, which keeps and serves the mirrored documents and its statement."""
    routes: tuple[Route, ...]
    documents: tuple[str, ...]
    """The paths of what it serves."""

    @property
    def piece(self) -> int:
        """The longest that any route gives a client for a piece, in milliseconds."""
        return max((route.piece for route in self.routes), default=30_000)

    @property
    def request_bytes(self) -> int:
        """The longest request that any route takes."""
        return max((route.request_bytes for route in self.routes), default=1 << 20)

    @property
    def response_bytes(self) -> int:
        """The longest answer that any route takes."""
        return max((route.response_bytes for route in self.routes), default=1 << 30)


def plan(config: RelayConfig, front: Front) -> Plan:
    """Return the plan for `config` behind `front`.

    Raises:
        ConfigError: a value cannot be written into a server's configuration, or makes no sense there.
    """
    own = config.listen
    if own.tls_certificate is not None:
        raise ConfigError(
            "The relay behind the server listens without TLS, on loopback or a unix socket; "
            "remove tls_certificate and tls_private_key from [listen], and give them to --render."
        )
    if own.unix is None and not own.port:
        raise ConfigError("The relay behind the server needs a port in [listen].")
    relay = Address(unix=_file(own.unix)) if own.unix else Address(_host(own.host), own.port)
    return Plan(
        listen=front.listen,
        certificate=_file(front.certificate),
        private_key=_file(front.private_key),
        relay=relay,
        routes=tuple(_route(gateway, front) for gateway in config.gateways if not gateway.mirror_only),
        documents=(*PATHS, *_documents(config)),
    )


def _documents(config: RelayConfig) -> Iterator[str]:
    for gateway in config.gateways:
        for name in (*DOCUMENTS, "fingerprints"):
            yield f"/{gateway.name}/{name}"


def _route(gateway: GatewayConfig, front: Front) -> Route:
    _refuse_what_only_the_relay_does(gateway)
    origin, path = split_url(gateway.url)
    parts = urlsplit(origin)
    host, tls = _host(parts.hostname or ""), None
    if parts.scheme == "https":
        tls = _verification(gateway, host, front)
    if not _PATH.fullmatch(path):
        raise ConfigError("The path of a gateway has characters that the server's configuration cannot hold.")
    address = Address(host, parts.port or (443 if tls else 80))
    limits = gateway.limits
    return Route(
        name=gateway.name,
        gateway=address,
        tls=tls,
        authority=parts.netloc,
        path=path,
        request_bytes=limits.request_bytes,
        response_bytes=limits.response_bytes,
        piece=_milliseconds(limits.piece_seconds),
        gateway_piece=_milliseconds(limits.gateway_piece_seconds),
        connect=_milliseconds(limits.connect_seconds),
        connections=min(limits.connections, gateway.budget.concurrent or limits.connections),
        incremental=gateway.incremental == "pass",
    )


def _refuse_what_only_the_relay_does(gateway: GatewayConfig) -> None:
    if gateway.cover.policy != "none":
        raise ConfigError("No server but the relay itself covers traffic; remove cover, or do not render.")
    if gateway.bearer is not None:
        raise ConfigError(
            "A bearer secret would stand in the server's configuration; let the gateway know the relay by a "
            "certificate (tls) instead."
        )
    if gateway.budget.requests_per_second is not None or gateway.budget.bytes_per_second is not None:
        raise ConfigError(
            "No server but the relay itself keeps a budget of rates; remove it, or do not render."
        )
    if gateway.allowed_purposes:
        raise ConfigError(
            "No server but the relay itself watches a gateway's allowed purposes; "
            "remove them, or do not render."
        )


def _verification(gateway: GatewayConfig, host: str, front: Front) -> Verification:
    if _is_address(host):
        raise ConfigError(
            "nginx and haproxy do not check a certificate for an IP address; name the gateway by a host."
        )
    tls = gateway.tls
    return Verification(
        host, _file(tls.authority or front.roots), _file(tls.certificate), _file(tls.private_key)
    )


def _host(host: str) -> str:
    if not (_HOST.fullmatch(host) or _is_address(host)):
        raise ConfigError("A host name has characters that the server's configuration cannot hold.")
    return host


def _is_address(host: str) -> bool:
    try:
        # A zone (fe80::1%eth0) is allowed to hold anything.
        return "%" not in host and bool(ip_address(host))
    except ValueError:
        return False


def _file(path: Path | None) -> str:
    if path is None:
        return ""
    text = str(path.absolute())
    if not _FILE.fullmatch(text):
        raise ConfigError(
            "The name of a file has characters that the server's configuration cannot hold; "
            "use letters, digits and . _ @ + - only."
        )
    return text


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
