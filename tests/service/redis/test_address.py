"""Addresses of Redis servers: which are taken, and that none is repeated."""

import pytest

from tacita.errors import ConfigError
from tacita.service.redis.address import linker


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
