"""A store that is away when the gateway starts: the exit code says to try again, and that is enough."""

import asyncio

import pytest
from support.gateways import Place
from support.ports import free_port, free_ports
from support.processes import start
from support.redis_server import DURABLE, RedisServer

from tacita.service.exits import EXIT_CONFIG, EXIT_TEMPORARY

pytestmark = pytest.mark.e2e


async def _ended(place: Place, store: str) -> tuple[int, str]:
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port, store=store)
    role = await start("gateway", text, place.folder, admin_port=admin_port)
    return await asyncio.wait_for(role.process.wait(), 30), role.output()


async def test_a_redis_that_is_down(place: Place) -> None:
    code, said = await _ended(place, f'redis = "redis://127.0.0.1:{free_port()}/0"')
    assert code == EXIT_TEMPORARY
    # What was logged before is of the keys.
    assert said.splitlines()[-1].startswith("tacita-gateway: ")


async def test_a_redis_that_may_forget_is_no_matter_of_time(place: Place) -> None:
    with RedisServer() as server:
        code, _ = await _ended(place, f'redis = "{server.address}"')
    assert code == EXIT_CONFIG


async def test_workers_wait_for_it(place: Place) -> None:
    with RedisServer(**DURABLE) as server:
        server.kill()
        await _are_waiting(place, server)


async def _are_waiting(place: Place, server: RedisServer) -> None:
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port, store=f'redis = "{server.address}"')
    command = ["-m", "gateway", "--workers", "2"]
    role = await start("gateway", text, place.folder, admin_port=admin_port, command=command)
    try:
        while role.output().count('"code":75') < 2:  # noqa: ASYNC110 (a file tells nobody)
            await asyncio.sleep(0.05)
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(role.wait_ready(), 30)
        assert await role.stop() == 0
    finally:
        if role.process.returncode is None:
            role.process.kill()
            await role.process.wait()
