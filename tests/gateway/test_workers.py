"""A gateway of several processes: one set of keys, one store, no token taken twice by two of them."""

import asyncio
import collections
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.gateways import PATH, Gateway, Place, get, token
from support.ports import free_ports
from support.processes import Role, role
from support.redis_server import DURABLE, RedisServer

from gateway.config import KeysConfig
from gateway.keys import Keyring
from tacita.ohttp.keyconfig import KeyConfig, decode_list

pytestmark = pytest.mark.e2e

COUNT = 3
TOKENS = 60
TIMES = 6


@asynccontextmanager
async def workers(place: Place, store: str) -> AsyncIterator[tuple[Role, Gateway]]:
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port, store=store)
    command = ["-m", "gateway", "--workers", str(COUNT)]
    async with role("gateway", text, place.folder, admin_port=admin_port, command=command) as running:
        gateway = Gateway(port, [])
        gateway.configs = await published(gateway)
        yield running, gateway


async def published(gateway: Gateway) -> list[KeyConfig]:
    _, keys = await gateway.raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return decode_list(keys)


async def counted(running: Role, name: str) -> float:
    _, shown = await running.admin("/metrics")
    return next(float(line.split()[1]) for line in shown.splitlines() if line.startswith(name + " "))


async def present_each_many_times(gateway: Gateway) -> list[list[int]]:
    """Return the statuses of each token, which was shown in several messages at once."""
    paid = [token() for _ in range(TOKENS)]

    async def of_one(one: tuple[bytes, bytes]) -> list[int]:
        # Each over a connection of its own, so that the kernel deals them out to the workers.
        answers = await asyncio.gather(*(gateway.ask(get(one)) for _ in range(TIMES)))
        return sorted(answer.head.status for answer in answers)

    return await asyncio.gather(*map(of_one, paid))


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_a_token_is_taken_once_by_all_of_them(place: Place, kind: str) -> None:
    with RedisServer(**DURABLE) as server:
        store = 'sqlite = "spent.sqlite"' if kind == "sqlite" else f'redis = "{server.address}"'
        async with workers(place, store) as (running, gateway):
            for statuses in await present_each_many_times(gateway):
                assert statuses == [200] + [401] * (TIMES - 1)
            assert len(place.target.heads) == TOKENS
            assert await counted(running, 'tacita_gateway_tokens_total{event="committed"}') == TOKENS
            assert await counted(running, 'tacita_gateway_tokens_total{event="spent"}') == TOKENS * (
                TIMES - 1
            )
            assert await running.stop() == 0


async def test_one_that_is_killed_under_load_lets_no_token_be_taken_twice(place: Place) -> None:
    async with workers(place, 'sqlite = "spent.sqlite"') as (running, gateway):
        children = children_of(running.process.pid)
        assert len(children) == COUNT
        paid = [token() for _ in range(TOKENS)]
        taken: collections.Counter[bytes] = collections.Counter()

        async def show(one: tuple[bytes, bytes]) -> None:
            for _ in range(TIMES):
                try:
                    answer = await gateway.ask(get(one))
                except (ConnectionError, asyncio.IncompleteReadError):
                    continue
                taken[one[1]] += answer.head.status == 200

        async def kill() -> None:
            for child in children[:-1]:
                await asyncio.sleep(0.2)
                os.kill(child, signal.SIGKILL)

        await asyncio.gather(kill(), *map(show, paid))
        assert set(taken.values()) <= {0, 1}
        assert len(place.target.heads) <= TOKENS
        # Those that were in flight at the kills may be lost, and no other.
        assert sum(taken.values()) >= TOKENS - 2 * TOKENS // COUNT
        await asyncio.wait_for(running.wait_ready(), 20)
        assert len(children_of(running.process.pid)) == COUNT
        assert await running.stop() == 0


async def test_keys_that_a_command_replaces_are_soon_those_of_all(place: Place) -> None:
    async with workers(place, 'sqlite = "spent.sqlite"') as (running, gateway):
        seen = {tuple(await published(gateway)) for _ in range(10 * COUNT)}
        assert seen == {tuple(gateway.configs)}
        Keyring(KeysConfig(state=place.folder / "keys.json", kems=("x25519", "p256"))).replace()
        running.process.send_signal(signal.SIGHUP)
        old = tuple(gateway.configs)
        async with asyncio.timeout(20):
            while old in seen:
                seen = {tuple(await published(gateway)) for _ in range(10 * COUNT)}
        assert len(seen) == 1
        assert await running.stop() == 0


def children_of(process: int) -> list[int]:
    with open(f"/proc/{process}/task/{process}/children") as file:  # noqa: PTH123 (no file of ours)
        return [int(child) for child in file.read().split()]
