"""Configuration: a TOML file into a frozen, typed struct.

Every key is known or refused by name. Paths are relative to the file that names
them. Secrets never stand in a configuration; it holds the path of their file.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tacita.errors import ConfigError
from tacita.net.urls import origin_of

__all__ = ["Listen", "Struct", "load", "origin_of"]

T = TypeVar("T", bound="Struct")


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of every table in a configuration file (subclasses say `frozen=True` again, for mypy)."""


class Listen(Struct, frozen=True):
    """Where a role accepts connections: a TCP address, or a unix socket."""

    host: str = "127.0.0.1"
    port: int = 0
    unix: Path | None = None
    tls_certificate: Path | None = None
    tls_private_key: Path | None = None
    tls_client_authority: Path | None = None
    """The roots (PEM) that a client's certificate has to hang on."""
    proxy_protocol: bool = False
    """Whether each connection begins with a PROXY header (version 1 or 2), in the clear, before TLS."""
    balancers: tuple[str, ...] = ()
    """`proxy_protocol`: the networks that such connections come from; others are refused."""

    def __post_init__(self) -> None:
        """Refuse half a key pair. Raises `ValueError` (which `load` turns into a `ConfigError`)."""
        if (self.tls_certificate is None) != (self.tls_private_key is None):
            raise ValueError("tls_certificate and tls_private_key go together")
        if self.tls_client_authority is not None and self.tls_certificate is None:
            raise ValueError("tls_client_authority wants tls_certificate and tls_private_key")
        if not 0 <= self.port <= 65_535:
            raise ValueError("port is between 0 and 65535")
        if self.proxy_protocol != bool(self.balancers):
            raise ValueError("proxy_protocol and balancers go together")
        if self.proxy_protocol and self.unix is not None:
            raise ValueError("proxy_protocol wants a TCP port")
        self.networks()

    def networks(self) -> list[IPv4Network | IPv6Network]:
        """Return `balancers`. Raises `ValueError`."""
        return [ip_network(balancer) for balancer in self.balancers]


def load(path: Path, kind: type[T]) -> T:
    """Read the TOML file `path` as a `kind`.

    Raises:
        ConfigError: the file cannot be read, is not TOML, has an unknown or missing key, or a
            value of the wrong type.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The configuration {path} cannot be read: {error.strerror}.") from None

    def paths(_wanted: type[Any], value: Any) -> Path:
        # `Path` is the only type of our structs that TOML does not know.
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("Expected the path of a file")
        return path.parent / value

    try:
        return msgspec.toml.decode(content, type=kind, dec_hook=paths)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"The configuration {path} is not valid: {error}.") from None
