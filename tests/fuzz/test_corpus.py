"""Every target holds on its seeds and on whatever was ever found; and the runner finds what is wrong."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import run

from tacita.errors import TacitaError


@pytest.mark.parametrize("target", run.targets())
def test_seeds_and_kept_inputs_hold(target: str) -> None:
    module = importlib.import_module(f"fuzz.{target}")
    assert module.one.__doc__
    kept = [path.read_bytes() for path in sorted((run.CORPUS / target).glob("*"))]
    seeds = list(module.seeds())
    assert seeds
    for data in (*seeds, *kept, b"", b"\0", bytes(64)):
        module.one(data)


@pytest.mark.parametrize("target", run.targets())
def test_seeds_reach_past_the_first_refusal(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that is refused at once, since a format changed, would leave the fuzzer at the door."""
    module = importlib.import_module(f"fuzz.{target}")
    refusals: list[TacitaError] = []
    made = TacitaError.__init__

    def noted(self: TacitaError, *arguments: object) -> None:
        refusals.append(self)
        made(self, *arguments)

    monkeypatch.setattr(TacitaError, "__init__", noted)
    accepted = 0
    for data in module.seeds():
        refusals.clear()
        module.one(data)
        accepted += not refusals
    assert accepted > 0


def test_what_breaks_a_property_is_found_and_kept(tmp_path: Path) -> None:
    """The real runner on a target that is wrong on purpose, in a copy of the folder."""
    folder = tmp_path / "tests" / "fuzz"
    folder.mkdir(parents=True)
    (folder / "run.py").write_bytes(Path(run.__file__).read_bytes())
    (folder / "broken.py").write_text(
        'def one(data):\n    """Wrong on purpose."""\n    assert data[:2] != b\'ab\'\n'
        "def seeds():\n    yield b'aa'\n"
    )
    done = subprocess.run(
        [sys.executable, str(folder / "run.py"), "--seconds", "20", "broken"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (kept,) = (folder / "corpus" / "broken").iterdir()
    assert kept.read_bytes()[:2] == b"ab"
