"""Addresses of Redis servers: which are taken, and that none is repeated."""

import pytest

from tacita.errors import ConfigError
from tacita.service.redis.address import Endpoint, cluster_linker, linker


@pytest.mark.parametrize(
    "address",
    [
        "redis://localhost",
        "redis://user@localhost:6380/3",
        "redis://[::1]:6379",
        "rediss://localhost",
        "unix:///run/redis.sock",
    ],
)
def test_what_is_taken(address: str) -> None:
    linker(address)()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:6379",
        "redis://user:hunter2@localhost",
        "redis://localhost?password=hunter2",
        "redis://localhost#hunter2",
        "redis://localhost/hunter2",
        "redis://localhost:hunter2",
        "unix://host/hunter2",
        "http://hunter2",
        "redis://[hunter2",
    ],
)
def test_what_is_refused_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        linker(address)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("address", "nodes"),
    [
        ("redis+cluster://a.example", [("a.example", 6379)]),
        (
            "redis+cluster://user@a.example:1,b.example,[::1]:3/",
            [("a.example", 1), ("b.example", 6379), ("::1", 3)],
        ),
        ("rediss+cluster://10.0.0.1:7000,10.0.0.2:7000", [("10.0.0.1", 7000), ("10.0.0.2", 7000)]),
    ],
)
def test_a_cluster_is_named_by_some_of_its_nodes(address: str, nodes: list[tuple[str, int]]) -> None:
    seeds, new_link = cluster_linker(address)
    assert seeds == nodes
    new_link(Endpoint("c.example", 6379))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "redis://hunter2",
        "redis+cluster://",
        "redis+cluster://hunter2,",
        "redis+cluster://hunter2:port",
        "redis+cluster://user:hunter2@localhost",
        "redis+cluster://localhost/3?hunter2",
        "redis+cluster://localhost/hunter2",
        "redis+cluster://localhost:1,localhost:hunter2",
        "redis+cluster://[hunter2",
    ],
)
def test_what_names_no_cluster_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        cluster_linker(address)
    assert "hunter2" not in str(refusal.value)
