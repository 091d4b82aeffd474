"""Where test vectors come from.

`own` reads what this repository keeps (values printed in RFC appendices, in our own
form). `shared` reads other implementations' files, which stay outside the repository
in a folder `shared` beside it; a test that needs one says so when it is not there.
"""

import json
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def own(name: str) -> Any:
    """Return the JSON document tests/vectors/`name`."""
    return json.loads((_ROOT / "tests" / "vectors" / name).read_text())


def shared_text(name: str) -> str:
    """Return the text of ../shared/vectors/`name`, or skip the test where it is absent."""
    path = _ROOT.parent / "shared" / "vectors" / name
    if not path.exists():
        pytest.skip(f"needs {name} in ../shared/vectors, which is not there", allow_module_level=True)
    return path.read_text()


def shared(name: str) -> Any:
    """Return the JSON document ../shared/vectors/`name`, or skip the test where it is absent."""
    return json.loads(shared_text(name))
