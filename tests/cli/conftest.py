import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deployments import Up, get, up
from support.ports import free_port

_STUB = Path(__file__).parents[1] / "support" / "stub_model.py"


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """Run a stub of an OpenAI-compatible server; give its URL."""
    port = free_port()
    with subprocess.Popen([sys.executable, str(_STUB), str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        while get(url)[0] == 0:
            assert process.poll() is None
            time.sleep(0.02)
        yield url
        process.kill()


@pytest.fixture(scope="module")
def deployment(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Run `tacita up` in front of the stub, with a wallet that is filled, whichever test comes first."""
    state = tmp_path_factory.mktemp("up") / "state"
    with up(state, f"{model}/v1") as running:
        fetch = [sys.executable, "-m", "tacita.cli.main", "tokens", "--fetch", "--state", str(state)]
        subprocess.run(fetch, capture_output=True, check=True)
        yield running
