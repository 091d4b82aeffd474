import hashlib
import sys
from pathlib import Path

import pytest

from node import weights
from node.errors import WeightsError


def test_the_packaged_weights_are_found_without_importing_their_package() -> None:
    path = weights.find()
    assert path.name == weights.PACKAGED[1]
    assert weights.PACKAGED[0] not in sys.modules


def test_a_configured_path_wins(tmp_path: Path) -> None:
    assert weights.find(tmp_path / "own.gguf") == tmp_path / "own.gguf"


def test_without_either_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGED", ("no_such_package", "x.gguf"))
    with pytest.raises(WeightsError, match="model_path"):
        weights.find()


def test_the_digest_decides(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF and numbers")
    assert weights.verify(path, None) == path
    assert weights.verify(path, hashlib.sha256(b"GGUF and numbers").hexdigest()) == path
    path.write_bytes(b"GGUF and numberz")
    with pytest.raises(WeightsError, match="digest"):
        weights.verify(path, hashlib.sha256(b"GGUF and numbers").hexdigest())


def test_only_gguf(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(WeightsError, match="GGUF"):
        weights.verify(path, None)
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.verify(tmp_path / "none.gguf", None)
