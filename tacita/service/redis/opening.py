"""From an address in a configuration to the Redis there, whichever kind it is."""

from pathlib import Path

from tacita.service.redis.address import CLUSTER_SCHEMES
from tacita.service.redis.cluster import RedisCluster
from tacita.service.redis.protocol import Redis
from tacita.service.redis.server import RedisServer

__all__ = ["open_redis"]


async def open_redis(
    address: str,
    records: str,
    *,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    accept_replicas: bool = False,
    timeout: float = 2.0,
) -> Redis:
    """Connect to the server or cluster at `address` (see `tacita.service.redis.address`) and check it.

    The arguments and the errors are those of `RedisServer.open` and `RedisCluster.open`.
    """
    kind = RedisCluster if address.partition("://")[0] in CLUSTER_SCHEMES else RedisServer
    return await kind.open(
        address,
        records,
        password_file=password_file,
        ca_file=ca_file,
        accept_replicas=accept_replicas,
        timeout=timeout,
    )
