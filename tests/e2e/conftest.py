"""Deployments for end-to-end tests, one of each kind for each worker."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support import deployments
from support.asking import Client
from support.redis_server import DURABLE, RedisServer
from support.targets import Target, reserved_port

from tacita.cli.deployment import Deployment


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a `tacita up` with the real model."""
    with deployments.up(tmp_path_factory.mktemp("real") / "state") as command:
        yield command.state


@pytest.fixture(scope="session")
def target_port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.fixture(scope="session")
def sqlite_state(target_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a `tacita up --target` in front of whatever stands at `target_port`."""
    folder = tmp_path_factory.mktemp("stub") / "state"
    with deployments.up(folder, f"http://127.0.0.1:{target_port}") as command:
        yield command.state


@pytest.fixture(scope="session")
def redis_state(target_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same with spent tokens in a real Redis."""
    folder = tmp_path_factory.mktemp("redis") / "state"
    with RedisServer(**DURABLE) as server:
        deployment = Deployment.create(folder, f"http://127.0.0.1:{target_port}")
        deployments.edit(
            deployment,
            "gateway",
            lambda text: text.replace('sqlite = "gateway/spent.sqlite"', f'redis = "{server.address}"'),
        )
        with deployments.running(deployment) as roles:
            yield roles.state
        assert server.ask("KEYS", "spent:*"), "nothing was spent in Redis"


@pytest.fixture(params=["sqlite", "redis"])
def state(request: pytest.FixtureRequest) -> Path:
    """The state folder of a deployment with each spent store."""
    folder: Path = request.getfixturevalue(f"{request.param}_state")
    return folder


@pytest.fixture
async def target(target_port: int) -> AsyncIterator[Target]:
    """The controllable target behind `sqlite_state`, `redis_state` and `state`."""
    async with Target.at(target_port) as running:
        yield running


@pytest.fixture
async def client(sqlite_state: Path) -> Client:
    """A client of `sqlite_state`."""
    return await Client.of(sqlite_state)
