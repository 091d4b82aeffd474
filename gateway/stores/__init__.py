"""Stores that remember spent tokens and messages: SQLite for one machine, Redis or a cluster for several.

They keep the promises of `tacita.privacypass.spent.SpentStore` and `gateway.replay.ReplayStore`.
"""

from pathlib import Path

from gateway.replay import ReplayStore
from gateway.stores.redis import RedisStore
from gateway.stores.replay_redis import RedisReplayStore
from gateway.stores.replay_sqlite import SqliteReplayStore
from gateway.stores.sqlite import SqliteStore
from tacita.errors import ConfigError
from tacita.privacypass.spent import SpentStore
from tacita.service.redis.address import SCHEMES

__all__ = [
    "RedisReplayStore",
    "RedisStore",
    "SqliteReplayStore",
    "SqliteStore",
    "open_replay_store",
    "open_store",
]


async def open_store(
    location: str,
    *,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    accept_replicas: bool = False,
) -> SpentStore:
    """Open the store at `location`: a path for SQLite, or an address (`tacita.service.redis.address`).

    The other arguments are for Redis alone; see `RedisStore.open`.

    Raises:
        ConfigError: the store cannot be used as it is configured.
        StoreUnavailable: it cannot be reached now.
    """
    if _is_file(location, password_file, ca_file, accept_replicas):
        return await SqliteStore.open(Path(location))
    return await RedisStore.open(
        location, password_file=password_file, ca_file=ca_file, accept_replicas=accept_replicas
    )


async def open_replay_store(
    location: str,
    *,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    accept_replicas: bool = False,
) -> ReplayStore:
    """Open the replay cache at `location`: in a file of its own, or in the Redis that has the spent tokens.

    Arguments and errors are those of `open_store`.
    """
    if _is_file(location, password_file, ca_file, accept_replicas):
        return await SqliteReplayStore.open(Path(location))
    return await RedisReplayStore.open(
        location, password_file=password_file, ca_file=ca_file, accept_replicas=accept_replicas
    )


def _is_file(location: str, password_file: Path | None, ca_file: Path | None, accept_replicas: bool) -> bool:
    scheme, colon, _ = location.partition("://")
    if not colon:
        if password_file or ca_file or accept_replicas:
            raise ConfigError("Password, certificates and replicas are for Redis; the store is a file.")
        return True
    if scheme not in SCHEMES:
        raise ConfigError(f"The spent-token store is a path, or an address of {', '.join(SCHEMES)}.")
    return False
