"""Each test of this folder runs on all three data planes."""

from pathlib import Path

import pytest
from support.planes import PLANES, Plane


@pytest.fixture(params=PLANES)
def plane(request: pytest.FixtureRequest, tmp_path: Path) -> Plane:
    return Plane(request.param, tmp_path)
