from pathlib import Path

import pytest

from node.config import Limits, NodeConfig
from tacita.errors import ConfigError
from tacita.service.config import load

MINIMAL = "[listen]\n[admin]\n"


def test_the_shortest_file_has_every_bound(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(MINIMAL)
    assert load(path, NodeConfig).limits == Limits()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL + "[limits]\nparallel = 0\n", "parallel"),
        (MINIMAL + "[limits]\nwaiting = -1\n", "waiting"),
        (MINIMAL + "[limits]\nanswer_seconds = -1.0\n", "answer_seconds"),
        (MINIMAL + "[limits]\nanswer_tokens = 2048\n", "answer_tokens"),
        (MINIMAL + "[limits]\nanswers = 2048\n", "answers"),
        ('model_name = "two words"\n' + MINIMAL, "model_name"),
        ('model_sha256 = "ABC"\n' + MINIMAL, "model_sha256"),
        ("threads = -1\n" + MINIMAL, "threads"),
        ("drain_seconds = -1\n" + MINIMAL, "drain_seconds"),
    ],
)
def test_what_cannot_work_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load(path, NodeConfig)
