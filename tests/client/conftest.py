from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from support.worlds import World, world_running


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_running(tmp_path) as running:
        yield running
