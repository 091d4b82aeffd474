import pytest
from support import scene
from support.scene import Evidence


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The record of one run, played once for each worker."""
    return scene.play(tmp_path_factory.mktemp("scene"))
