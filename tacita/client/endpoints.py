"""Where the parties are: a file that an operator hands to clients (endpoints.json of `tacita up`).

What it names has to keep parties apart: the second mirror is another server than the relay,
and neither is the gateway or the issuer, which would see the address and could show each
address a key of its own. Everything that a client connects to is https, or on this machine.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tacita.errors import ConfigError
from tacita.net.urls import is_local, origin_of, split

__all__ = [
    "Endpoints",
    "GatewayEndpoints",
    "IssuerEndpoints",
    "MirrorEndpoints",
    "RelayEndpoints",
    "TargetEndpoint",
]


class _Table(msgspec.Struct, frozen=True):
    """Unknown members are ignored: the same file also holds what operators and tests want to know."""


class IssuerEndpoints(_Table, frozen=True):
    """The issuer: where tokens are asked for, and the file with the account's credential."""

    token_request: str
    credential: Path


class MirrorEndpoints(_Table, frozen=True):
    """The three documents that everybody must see alike, at one mirror."""

    gateway_keys: str
    challenge: str
    issuer_directory: str

    @property
    def origins(self) -> set[str]:
        """The servers that the documents come from."""
        return {origin_of(self.gateway_keys), origin_of(self.challenge), origin_of(self.issuer_directory)}


class RelayEndpoints(MirrorEndpoints, frozen=True):
    """The relay: its message resource, and its mirror."""

    messages: str


class GatewayEndpoints(_Table, frozen=True):
    """The gateway, which clients never connect to: known here so that it is no mirror of itself."""

    messages: str


class TargetEndpoint(_Table, frozen=True):
    """The origin that requests are for, as it stands inside them, and the model to ask there by default."""

    url: str
    model: str = "default"


class Endpoints(_Table, frozen=True):
    """Everything a client needs to know of a deployment.

    Raises `ConfigError` where parties are not apart, or a connection could be read on its way.
    """

    issuer: IssuerEndpoints
    relay: RelayEndpoints
    mirror: MirrorEndpoints
    target: TargetEndpoint
    gateway: GatewayEndpoints | None = None

    def __post_init__(self) -> None:
        """Check what the class promises."""
        origin_of(self.target.url)
        for url in self._connected():
            origin, _ = split(url)
            if not origin.startswith("https:") and not is_local(origin):
                raise ConfigError(
                    "A party of the deployment is on another machine without https; do not use it."
                )
        if self.relay.origins & self.mirror.origins:
            raise ConfigError(
                "The relay and the second mirror are one server; name a mirror that others run."
            )
        subjects = {origin_of(self.issuer.token_request)}
        if self.gateway is not None:
            subjects.add(origin_of(self.gateway.messages))
        if (self.relay.origins | self.mirror.origins) & subjects:
            raise ConfigError("The issuer or the gateway stands as a mirror of its own keys; name a mirror.")

    def _connected(self) -> Iterator[str]:
        yield self.issuer.token_request
        yield self.relay.messages
        for mirror in (self.relay, self.mirror):
            yield from (mirror.gateway_keys, mirror.challenge, mirror.issuer_directory)

    @classmethod
    def load(cls, path: Path) -> "Endpoints":
        """Read the JSON file at `path`; paths in it are relative to its folder.

        Raises:
            ConfigError: it is missing, not such a file, or does not keep the parties apart.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}. Is `tacita up` running?") from None

        def paths(_wanted: type, value: object) -> Path:
            if not isinstance(value, str) or not value or "\0" in value:
                raise ValueError("Expected the path of a file")
            return path.parent / value

        try:
            return msgspec.json.decode(content, type=cls, dec_hook=paths)
        except (msgspec.DecodeError, ValueError) as error:
            raise ConfigError(f"{path} does not describe a deployment: {error}.") from None
