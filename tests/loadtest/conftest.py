"""A stand-in deployment for the load harness."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stand_in import StandIn


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[StandIn]:
    """A deployment of the test's own, whose answers are known."""
    async with StandIn.running(tmp_path) as running:
        yield running
