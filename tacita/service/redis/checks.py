"""Which Redis servers may keep what must not be lost, and what to say when one cannot.

A server with Debian's settings forgets on kill -9 whatever came after its last snapshot,
an evicting one whenever memory is short, and a replica that is promoted whatever
had not reached it yet: each would take a spent token again, or grant a quota again. All that is
asked here stands in INFO, so that our user needs no rights on CONFIG.

`records` in the signatures is what is kept, in the plural, for the sentences.
"""

import re
from ssl import SSLError

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as ConnectionFailed

from tacita.errors import ConfigError
from tacita.service.redis.errors import RedisUnavailable

__all__ = ["inspect", "is_refusal", "sentence"]


def inspect(info: bytes, records: str, *, accept_replicas: bool, cluster: bool = False) -> None:
    """Check the reply of a server, or of a node of a `cluster`, to INFO.

    Raises:
        ConfigError: the server could forget some of `records`.
        RedisUnavailable: it is still reading its files.
    """
    facts = _facts(info)
    if facts.get("loading", "0") != "0":
        raise RedisUnavailable("Redis is still loading its data; wait.")
    refusal = _refusal(facts, records, accept_replicas=accept_replicas, cluster=cluster)
    if refusal:
        raise ConfigError(refusal)


def _refusal(facts: dict[str, str], records: str, *, accept_replicas: bool, cluster: bool) -> str:
    """Return why not, or nothing. A fact that the server does not tell counts as the bad one."""
    reasons = (
        (
            not re.match(r"[7-9]|\d\d", facts.get("redis_version", "")),
            f"Redis is older than version 7.0; use a newer server for {records}.",
        ),
        (
            facts.get("cluster_enabled") != ("1" if cluster else "0"),
            f"Redis does not run as a cluster; give the address of {records} as redis://host:port."
            if cluster
            else f"Redis runs as a cluster; give the address of {records} as redis+cluster://host:port.",
        ),
        (
            facts.get("role") != "master",
            f"Redis is a replica, which cannot keep {records}; give the address of its primary.",
        ),
        (
            facts.get("aof_enabled") != "1",
            f"Redis forgets {records} when it crashes; set appendonly yes (and appendfsync always).",
        ),
        (
            facts.get("maxmemory_policy") != "noeviction",
            f"Redis may evict {records} when memory is short; set maxmemory-policy noeviction.",
        ),
        (
            facts.get("connected_slaves") != "0" and not accept_replicas,
            f"Redis has replicas, and one that is promoted may not know all {records}; "
            "detach them or set accept_replicas.",
        ),
    )
    return next((sentence for bad, sentence in reasons if bad), "")


def _facts(info: bytes) -> dict[str, str]:
    lines = info.decode("ascii", "replace").splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def is_refusal(error: RedisError | OSError) -> bool:
    """Return whether the server does not want us, which no waiting will change."""
    return isinstance(_innermost(error), AuthenticationError | NoPermissionError)


def sentence(error: RedisError | OSError, records: str) -> str:
    """Return what to tell about `error`, whose own text may name the server or repeat a command."""
    sentences: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (AuthenticationError, "Redis refused our user or password; check the password file."),
        (
            NoPermissionError,
            "Redis denies our user a command that it needs; check the ACL.",
        ),
        (BusyLoadingError, "Redis is still loading its data; wait."),
        (OutOfMemoryError, f"Redis has no memory left for {records}; raise maxmemory."),
        (ReadOnlyError, "Redis is a replica now and takes no writes; give the address of its primary."),
        (ClusterDownError, "The Redis cluster is down, or a part of it is; see CLUSTER INFO on its nodes."),
        # What is moved answers with MOVED, too, which redis-py takes for a kind of ASK.
        ((AskError, TryAgainError), "The Redis cluster is moving its slots; try again."),
        (SSLError, "Redis has no TLS certificate that we trust; check ca_file and the name in the address."),
        (OSError, "Redis cannot be reached; check that it runs and where."),
        (ConnectionFailed, "Redis cannot be reached; check that it runs and where."),
    )
    for kind, text in sentences:
        if isinstance(_innermost(error), kind):
            return text
    return "Redis failed to answer; its own log says why."


def _innermost(error: BaseException) -> BaseException:
    # redis-py wraps a refused certificate, and on a unix socket a refused password, as a failure to connect.
    reason = error.__cause__ or error.__context__
    return reason if isinstance(reason, RedisError | SSLError) else error
