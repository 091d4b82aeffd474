"""Where Redis is, and how to make a connection to it.

One server: `redis://[user@]host[:port][/database]`, `rediss://…` (TLS 1.3, server certificate verified) or
`unix:///path/of/socket`. A cluster: `redis+cluster://[user@]host[:port][,host[:port]…]` or `rediss+cluster://…`;
it is asked at any of the places named for all the others, so name two or three. The password comes from a
file of mode 0600 and stands in no address, so that no log can show it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from ssl import TLSVersion
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tacita.errors import ConfigError
from tacita.net.tls import client_context
from tacita.service.keyfiles import read_secret

__all__ = ["CLUSTER_SCHEMES", "SCHEMES", "Endpoint", "Link", "cluster_linker", "linker"]

CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
SCHEMES = ("redis", "rediss", "unix", *CLUSTER_SCHEMES)

_PORT = 6379


class Link(Protocol):
    """What we use of a redis-py connection. It is no client: nothing is pooled, resent or retried."""

    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = False) -> None: ...
    async def can_read(self) -> bool: ...
    async def send_packed_command(self, command: Iterable[bytes]) -> None: ...
    async def read_response(self, disable_decoding: bool = False) -> object: ...


class Endpoint(NamedTuple):
    """Where one node of a cluster listens."""

    host: str
    port: int


def linker(
    address: str, *, password_file: Path | None = None, ca_file: Path | None = None
) -> Callable[[], Link]:
    """Return a function that makes an unconnected `Link` to the server at `address`.

    Raises:
        ConfigError: the address is not of the forms above, or a file cannot be used. The
            sentence does not repeat the address.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ConfigError("The Redis address cannot be read; write redis://host:port/database.") from None
    options = _options(parts, password_file)
    kind: type[Connection | UnixDomainSocketConnection]
    if parts.scheme == "unix" and parts.path and not parts.hostname:
        kind = UnixDomainSocketConnection
        options["path"] = unquote(parts.path)
    elif parts.scheme in ("redis", "rediss") and parts.hostname:
        kind = _kind(parts.scheme, options, ca_file)
        options |= {"host": parts.hostname, "port": port or _PORT, "db": _database(parts.path)}
    else:
        raise ConfigError("The Redis address must be redis://host, rediss://host or unix:///path.")
    return lambda: cast(Link, kind(**options))


def cluster_linker(
    address: str, *, password_file: Path | None = None, ca_file: Path | None = None
) -> tuple[list[Endpoint], Callable[[Endpoint], Link]]:
    """Return the nodes that `address` names, and what makes an unconnected `Link` to any node of the cluster.

    Raises `ConfigError` as `linker`.
    """
    sentence = (
        "The address of a Redis cluster must be redis+cluster://host:port,host:port (or rediss+cluster)."
    )
    scheme, _, rest = address.partition("://")
    user, at, hosts = rest.rpartition("@")
    try:
        places = [urlsplit(f"{scheme}://{user}{at}{place}") for place in hosts.removesuffix("/").split(",")]
        seeds = [Endpoint(parts.hostname or "", parts.port or _PORT) for parts in places]
    except ValueError:
        raise ConfigError(sentence) from None
    options = _options(places[0], password_file)
    strange = any(parts.path or parts.query or parts.fragment or not parts.hostname for parts in places)
    if scheme not in CLUSTER_SCHEMES or strange:
        raise ConfigError(sentence)
    kind = _kind(scheme, options, ca_file)
    return seeds, lambda node: cast(Link, kind(**options, host=node.host, port=node.port))


def _options(parts: SplitResult, password_file: Path | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        # Time is limited around whole calls, by whoever makes them.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,
    }
    if parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            "The Redis address may hold neither a password nor options; name a password file instead."
        )
    if parts.username:
        options["username"] = unquote(parts.username)
    if password_file is not None:
        options["password"] = read_secret(password_file, "the Redis password").decode().strip()
    return options


def _kind(scheme: str, options: dict[str, Any], ca_file: Path | None) -> type[Connection]:
    if not scheme.startswith("rediss"):
        return Connection
    client_context(ca_file)  # refuses an unusable file now, not at the first connection
    options |= {"ssl_min_version": TLSVersion.TLSv1_3, "ssl_ca_certs": ca_file and str(ca_file)}
    return SSLConnection


def _database(path: str) -> int:
    number = path.removeprefix("/")
    if not number:
        return 0
    if not (number.isascii() and number.isdigit()):
        raise ConfigError("The Redis address ends in the number of a database, such as /0.")
    return int(number)
