"""Stores that remember spent tokens: a SQLite file for one machine, Redis for several.

Both keep the promises of `tacita.privacypass.spent.SpentStore`.
"""

from pathlib import Path

from gateway.stores.redis import RedisStore
from gateway.stores.sqlite import SqliteStore
from tacita.errors import ConfigError
from tacita.privacypass.spent import SpentStore
from tacita.service.redis.address import SCHEMES

__all__ = ["RedisStore", "SqliteStore", "open_store"]


async def open_store(
    location: str,
    *,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    accept_replicas: bool = False,
) -> SpentStore:
    """Open the store at `location`: a path for SQLite, or a `redis:`, `rediss:` or `unix:` address.

    The other arguments are for Redis alone; see `RedisStore.open`.

    Raises:
        ConfigError: the store cannot be used as it is configured.
        StoreUnavailable: it cannot be reached now.
    """
    scheme, colon, _ = location.partition("://")
    if not colon:
        if password_file or ca_file or accept_replicas:
            raise ConfigError("Password, certificates and replicas are for Redis; the store is a file.")
        return await SqliteStore.open(Path(location))
    if scheme not in SCHEMES:
        raise ConfigError("The spent-token store is a path, or an address of redis, rediss or unix.")
    return await RedisStore.open(
        location, password_file=password_file, ca_file=ca_file, accept_replicas=accept_replicas
    )
