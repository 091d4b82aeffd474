"""Where a Redis server is, and how to make a connection to it.

The address is `redis://[user@]host[:port][/database]`, `rediss://…` (TLS 1.3, server
certificate verified) or `unix:///path/of/socket`. The password comes from a file of
mode 0600 and stands in no address, so that no log can show it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from ssl import TLSVersion
from typing import Any, Protocol, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tacita.errors import ConfigError
from tacita.net.tls import client_context
from tacita.service.keyfiles import read_secret

__all__ = ["SCHEMES", "Link", "linker"]

SCHEMES = ("redis", "rediss", "unix")


class Link(Protocol):
    """What we use of a redis-py connection. It is no client: nothing is pooled, resent or retried."""

    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = False) -> None: ...
    async def can_read(self) -> bool: ...
    def pack_commands(self, commands: Iterable[Iterable[bytes | int]]) -> list[bytes]: ...
    async def send_packed_command(self, command: Iterable[bytes]) -> None: ...
    async def read_response(self, disable_decoding: bool = False) -> object: ...


def linker(
    address: str, *, password_file: Path | None = None, ca_file: Path | None = None
) -> Callable[[], Link]:
    """Return a function that makes an unconnected `Link` to `address`.

    Raises:
        ConfigError: the address is not of the forms above, or a file cannot be used. The
            sentence does not repeat the address.
    """
    options: dict[str, Any] = {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        # Time is limited around whole calls, by whoever makes them.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,
    }
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ConfigError("The Redis address cannot be read; write redis://host:port/database.") from None
    if parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            "The Redis address may hold neither a password nor options; name a password file instead."
        )
    if parts.username:
        options["username"] = unquote(parts.username)
    if password_file is not None:
        options["password"] = read_secret(password_file, "the Redis password").decode().strip()
    kind: type[Connection | UnixDomainSocketConnection]
    if parts.scheme == "unix" and parts.path and not parts.hostname:
        kind = UnixDomainSocketConnection
        options["path"] = unquote(parts.path)
    elif parts.scheme in ("redis", "rediss") and parts.hostname:
        kind = Connection
        options |= {"host": parts.hostname, "port": port or 6379, "db": _database(parts.path)}
        if parts.scheme == "rediss":
            kind = SSLConnection
            client_context(ca_file)  # refuses an unusable file now, not at the first connection
            options |= {"ssl_min_version": TLSVersion.TLSv1_3, "ssl_ca_certs": ca_file and str(ca_file)}
    else:
        raise ConfigError("The Redis address must be redis://host, rediss://host or unix:///path.")
    return lambda: cast(Link, kind(**options))


def _database(path: str) -> int:
    number = path.removeprefix("/")
    if not number:
        return 0
    if not (number.isascii() and number.isdigit()):
        raise ConfigError("The Redis address ends in the number of a database, such as /0.")
    return int(number)
