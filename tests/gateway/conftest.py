"""The gateway's tests run on uvloop, as the gateway does."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop
from support.gateways import Gateway, Place, gateway_running, place_running


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_running(tmp_path) as running:
        yield running


@pytest.fixture
async def gateway(place: Place) -> AsyncIterator[Gateway]:
    async with gateway_running(place) as running:
        yield running
