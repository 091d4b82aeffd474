"""kill -9 under load: no token is taken twice, and none is burnt but those in flight at the kill.

A target that fails without dying burns none at all.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fault_load import Ledger, Load
from support.redis_cluster import RedisCluster
from support.redis_server import DURABLE, RedisServer

pytestmark = pytest.mark.e2e

Scenes = Callable[..., Any]
Report = Callable[[Ledger], None]


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


def children_of(process: int) -> list[int]:
    """Return the ids of the processes that `process` has started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_gone(process: int) -> bool:
    """Whether `process` has ended, collected or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("store", ["SQLite", "Redis"])
async def test_a_worker_is_killed(
    scene: Scenes, redis_server: RedisServer, report: Report, store: str
) -> None:
    location = 'sqlite = "spent.sqlite"' if store == "SQLite" else f'redis = "{redis_server.address}"'
    async with scene(location, workers=3) as running:

        async def fault(load: Load) -> None:
            child = children_of(running.role.process.pid)[0]
            with load.strike():
                os.kill(child, signal.SIGKILL)
                while not is_gone(child):
                    pass

        ledger = await running.load.run(f"a worker is killed, {store}", fault, running.ready)
        assert len(children_of(running.role.process.pid)) == 3
    assert set(ledger.refused_inside) <= {401}
    report(ledger)


async def test_the_gateway_is_killed_in_the_middle_of_writes(scene: Scenes, report: Report) -> None:
    async with scene('sqlite = "spent.sqlite"') as running:

        async def fault(load: Load) -> None:
            with load.strike():
                running.role.process.kill()
                await running.role.process.wait()
            await running.restart()

        ledger = await running.load.run("the gateway is killed, SQLite", fault, running.ready)
    report(ledger)


async def test_redis_is_killed(scene: Scenes, redis_server: RedisServer, report: Report) -> None:
    async with scene(f'redis = "{redis_server.address}"') as running:

        async def fault(load: Load) -> None:
            with load.strike():
                redis_server.kill()
            await load.until(2 / 3)
            await asyncio.to_thread(redis_server.start)

        ledger = await running.load.run("Redis is killed", fault, running.ready)
    assert ledger.refused_inside[503] > 0
    assert set(ledger.refused_inside) <= {401, 503}
    assert not ledger.refused_outside
    report(ledger)


async def test_a_node_of_the_cluster_is_killed(scene: Scenes, report: Report) -> None:
    with RedisCluster() as cluster:
        async with scene(f'redis = "{cluster.address}"') as running:

            async def fault(load: Load) -> None:
                with load.strike():
                    cluster.nodes[1].kill()
                before = load.taken.total()
                await load.until(2 / 3)
                assert load.taken.total() > before, "the slots of the others are served"
                await asyncio.to_thread(cluster.start)

            ledger = await running.load.run("a node of the cluster is killed", fault, running.ready)
    assert ledger.refused_inside[503] > 0
    assert set(ledger.refused_inside) <= {401, 503}
    assert not ledger.refused_outside
    report(ledger)


async def test_the_target_is_killed(scene: Scenes, redis_server: RedisServer, report: Report) -> None:
    async with scene(f'redis = "{redis_server.address}"') as running:

        async def fault(load: Load) -> None:
            with load.strike():
                running.target.kill()
            await load.until(2 / 3)
            await asyncio.to_thread(running.target.start)

        ledger = await running.load.run("the target is killed", fault, running.ready)
    assert ledger.refused_inside[502] > 0
    assert set(ledger.refused_inside) <= {401, 502}
    assert not ledger.refused_outside
    report(ledger)


async def test_the_target_fails(scene: Scenes, redis_server: RedisServer, report: Report) -> None:
    async with scene(f'redis = "{redis_server.address}"') as running:

        async def fault(load: Load) -> None:
            running.target.fail(failing=True)
            await load.until(2 / 3)
            running.target.fail(failing=False)

        ledger = await running.load.run("the target fails", fault, running.ready)
    assert ledger.refused_inside[500] > 0
    assert set(ledger.refused_inside) <= {401, 500}
    assert not ledger.burnt
    report(ledger)
