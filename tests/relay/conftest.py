"""The relay's tests run on uvloop, as the relay does."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop
from support.relays import Gateway, gateway_running


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with gateway_running() as running:
        yield running
