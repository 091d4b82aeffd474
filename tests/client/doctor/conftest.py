from collections.abc import AsyncIterator

import pytest
from support.crooked import Crooked

from tacita.client.doctor import mirrors, plain, recording


@pytest.fixture
async def there() -> AsyncIterator[Crooked]:
    """A deployment by hand, which is right until it is told otherwise."""
    async with Crooked.running() as running:
        yield running


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_LENGTH_SECONDS", 0.5)
    monkeypatch.setattr(recording, "_SECONDS_BETWEEN", 0.3)
    monkeypatch.setattr(mirrors, "_SECONDS_BETWEEN", 0.0)
