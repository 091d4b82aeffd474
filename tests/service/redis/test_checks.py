"""Which servers may keep records: each fact by itself, and a server that does not tell."""

from ssl import SSLError

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)

from tacita.errors import ConfigError
from tacita.service.redis.checks import inspect, is_refusal, sentence
from tacita.service.redis.errors import RedisUnavailable

GOOD = {
    "redis_version": "7.0.15",
    "cluster_enabled": "0",
    "role": "master",
    "aof_enabled": "1",
    "maxmemory_policy": "noeviction",
    "connected_slaves": "0",
    "loading": "0",
}


def info(**changes: str) -> bytes:
    return "".join(f"{name}:{value}\r\n" for name, value in (GOOD | changes).items()).encode()


@pytest.mark.parametrize("version", ["7.0.0", "8.2.1", "10.0.0"])
def test_a_durable_server_is_taken(version: str) -> None:
    inspect(b"# Server\r\n" + info(redis_version=version), "records", accept_replicas=False)


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("redis_version", "6.2.1"),
        ("cluster_enabled", "1"),
        ("role", "slave"),
        ("aof_enabled", "0"),
        ("maxmemory_policy", "allkeys-lru"),
        ("connected_slaves", "1"),
    ],
)
def test_each_fact_counts_and_so_does_silence(fact: str, value: str) -> None:
    with pytest.raises(ConfigError, match="records"):
        inspect(info(**{fact: value}), "records", accept_replicas=False)
    silent = b"\r\n".join(line for line in info().splitlines() if not line.startswith(fact.encode()))
    with pytest.raises(ConfigError, match="records"):
        inspect(silent, "records", accept_replicas=False)


@pytest.mark.parametrize(("fact", "cluster"), [("0", True), ("1", False)])
def test_a_cluster_and_a_server_are_not_taken_for_each_other(fact: str, cluster: bool) -> None:
    with pytest.raises(ConfigError, match=r"run.* as a cluster; give the address of records"):
        inspect(info(cluster_enabled=fact), "records", accept_replicas=False, cluster=cluster)
    inspect(info(cluster_enabled=str(int(cluster))), "records", accept_replicas=False, cluster=cluster)


def test_replicas_can_be_accepted() -> None:
    inspect(info(connected_slaves="2"), "records", accept_replicas=True)


def test_a_server_that_still_loads_is_waited_for() -> None:
    with pytest.raises(RedisUnavailable, match="loading"):
        inspect(info(loading="1"), "records", accept_replicas=False)


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 50, b"::::\r\n:"])
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(ConfigError):
        inspect(garbage, "records", accept_replicas=False)


@pytest.mark.parametrize(
    ("error", "says", "refuses"),
    [
        (AuthenticationError("secret"), "password", True),
        (NoPermissionError("secret"), "ACL", True),
        (BusyLoadingError("secret"), "loading", False),
        (OutOfMemoryError("secret"), "memory left for records", False),
        (ReadOnlyError("secret"), "primary", False),
        (SSLError("secret"), "certificate", False),
        (ClusterDownError("secret"), "cluster is down", False),
        (MovedError("1 secret:1"), "moving", False),
        (OSError("secret"), "reached", False),
        (RedisError("secret"), "its own log", False),
    ],
)
def test_errors_are_told_in_our_words(error: RedisError | OSError, says: str, refuses: bool) -> None:
    assert says in sentence(error, "records")
    assert "secret" not in sentence(error, "records")
    assert is_refusal(error) is refuses
