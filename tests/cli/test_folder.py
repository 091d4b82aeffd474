from pathlib import Path

import pytest

from tacita.cli.folder import clear, held
from tacita.errors import ConfigError


def test_an_empty_or_a_new_folder_becomes_ours(tmp_path: Path) -> None:
    with held(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    clear(tmp_path / "a" / "b")
    clear(tmp_path / "c")


@pytest.mark.parametrize("take", [clear, lambda folder: held(folder).__enter__()], ids=["clear", "held"])
def test_a_foreign_folder_is_not_touched(tmp_path: Path, take: object) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError, match="holds something else"):
        take(tmp_path)  # type: ignore[operator]
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "photos"}


def test_everything_goes_but_what_links_lead_to(tmp_path: Path) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    clear(state)
    other.mkdir()
    (other / "kept").touch()
    (state / "link").symlink_to(other)
    (state / "sub" / "sub").mkdir(parents=True)
    (state / "sub" / "file").touch()
    clear(state)
    assert [path.name for path in state.iterdir()] == [".tacita-deployment"]
    assert (other / "kept").exists()


def test_one_deployment_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(ConfigError, match="A deployment is running in"), held(tmp_path):
        pass
    with held(tmp_path):
        pass


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        clear(tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be used"):
        clear(tmp_path / "file" / "below")
