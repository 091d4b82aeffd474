"""One gateway's share of the relay: requests, exchanges at a time, bytes; 503 beyond, and only there."""

import asyncio
from dataclasses import dataclass

import msgspec
import pytest
from support.raw_http import connection, read_body, read_head
from support.relays import ANSWER, Gateway, gateway_running, relay_of, relay_running, request

from relay.budget import Budget
from relay.config import BudgetConfig, Limits


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_without_a_budget_only_the_exchanges_at_a_time_are_bounded() -> None:
    budget = Budget(BudgetConfig(), 10, Clock())
    budget.spend(1 << 40)
    assert all(budget.admits(19) for _ in range(10_000))
    assert not budget.admits(20)


def test_so_many_requests_a_second() -> None:
    clock = Clock()
    budget = Budget(BudgetConfig(requests_per_second=5), 10, clock)
    assert sum(budget.admits(0) for _ in range(20)) == 5
    clock.now += 0.5
    assert sum(budget.admits(0) for _ in range(20)) == 2
    clock.now += 1000
    assert sum(budget.admits(0) for _ in range(20)) == 5


def test_a_slow_rate_lets_one_through_after_the_other() -> None:
    clock = Clock()
    budget = Budget(BudgetConfig(requests_per_second=0.1), 10, clock)
    assert sum(budget.admits(0) for _ in range(20)) == 1
    clock.now += 10.1
    assert sum(budget.admits(0) for _ in range(20)) == 1


def test_bytes_leave_a_debt_that_has_to_be_gone() -> None:
    clock = Clock()
    budget = Budget(BudgetConfig(bytes_per_second=1000), 10, clock)
    budget.spend(3000)
    clock.now += 1.9
    assert not budget.admits(0)
    clock.now += 0.2
    assert budget.admits(0)


def test_what_is_refused_is_not_counted() -> None:
    clock = Clock()
    budget = Budget(BudgetConfig(requests_per_second=1, concurrent=1), 10, clock)
    assert not budget.admits(1)
    assert budget.admits(0)


@pytest.mark.parametrize("name", ["requests_per_second", "concurrent", "bytes_per_second"])
def test_a_budget_of_nothing_is_none(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: 0}, BudgetConfig)


async def test_over_its_budget_a_gateway_is_503_and_the_others_are_served(gateway: Gateway) -> None:
    async with gateway_running() as other:
        tight = BudgetConfig(requests_per_second=0.001)
        config = relay_of(gateway.table(budget=tight), other.table("two"))
        async with relay_running(config) as relay:
            assert (await relay.ask(request()))[0].startswith(b"HTTP/1.1 200 ")
            head, body = await relay.ask(request())
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After" not in head
            assert b'"status":503' in body
            assert relay.counted("over_budget") == 1
            assert (await relay.ask(request(path="/two")))[0].startswith(b"HTTP/1.1 200 ")
    assert len(gateway.heads) == 1


async def test_so_many_exchanges_at_a_time_however_they_come(gateway: Gateway) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        await go_on.wait()
        writer.write(ANSWER)

    gateway.answer = answer
    async with relay_running(gateway.config(budget=BudgetConfig(concurrent=3))) as relay:
        asking = [asyncio.create_task(relay.ask(request())) for _ in range(10)]
        done = 0
        while done < 7:
            await asyncio.wait(asking, timeout=0.01, return_when=asyncio.ALL_COMPLETED)
            done = sum(task.done() for task in asking)
        while len(gateway.heads) < 3:  # noqa: ASYNC110 - the gateway has no event
            await asyncio.sleep(0.01)
        go_on.set()
        said = sorted(head[9:12] for head, _ in await asyncio.gather(*asking))
        assert said == [b"200"] * 3 + [b"503"] * 7
        assert len(gateway.heads) == 3
        assert (await relay.ask(request()))[0].startswith(b"HTTP/1.1 200 ")


async def test_when_every_connection_is_in_use_it_is_503_after_a_while(gateway: Gateway) -> None:
    go_on = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        await go_on.wait()
        writer.write(ANSWER)

    gateway.answer = answer
    limits = Limits(connections=1, connect_seconds=0.2, spare_connections=0)
    config = gateway.config(limits, budget=BudgetConfig(concurrent=3))
    async with relay_running(config) as relay, connection(relay.port) as (reader, writer):
        writer.write(request())
        while not gateway.heads:  # noqa: ASYNC110 - the gateway has no event
            await asyncio.sleep(0.01)
        assert (await relay.ask(request()))[0].startswith(b"HTTP/1.1 503 ")
        assert relay.counted("busy") == 1
        go_on.set()
        assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")
