"""Where the parties are: a file that an operator hands to clients (endpoints.json of `tacita up`)."""

from pathlib import Path

import msgspec

from tacita.errors import ConfigError

__all__ = ["Endpoints", "IssuerEndpoints", "MirrorEndpoints", "RelayEndpoints", "TargetEndpoint"]


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


class RelayEndpoints(MirrorEndpoints, frozen=True):
    """The relay: its message resource, and its mirror."""

    messages: str


class TargetEndpoint(_Table, frozen=True):
    """The origin that requests are for, as it stands inside them, and the model to ask there by default."""

    url: str
    model: str = "default"


class Endpoints(_Table, frozen=True):
    """Everything a client needs to know of a deployment."""

    issuer: IssuerEndpoints
    relay: RelayEndpoints
    mirror: MirrorEndpoints
    target: TargetEndpoint

    @classmethod
    def load(cls, path: Path) -> "Endpoints":
        """Read the JSON file at `path`.

        Raises:
            ConfigError: it is missing or not such a file.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}. Is `tacita up` running?") from None

        def paths(_wanted: type, value: object) -> Path:
            return path.parent / str(value)

        try:
            return msgspec.json.decode(content, type=cls, dec_hook=paths)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{path} does not describe a deployment: {error}.") from None
