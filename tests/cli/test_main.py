"""The command line as a person meets it, without a deployment: usage, exit codes, sentences."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CANARY = "canary-question-81c2"


def tacita(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tacita.cli.main", *arguments],
        env={**os.environ, "COLUMNS": "80", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["ask", "--help"], ["--version"]])
def test_help_is_on_standard_output_and_fits(arguments: list[str]) -> None:
    done = tacita(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["ask"],
        ["ask", " "],
        ["ask", "x", "--max-tokens", "0"],
        ["ask", "x", "--max-tokens", "many"],
        ["ask", "x", "--max-tokens", "-5"],
        ["up", "--tar", "http://x"],
        ["up", "extra"],
        ["tokens", "--fetch", "--keep"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = tacita(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: tacita")


def assert_one_sentence(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tacita: ")
    assert done.stderr.endswith((".\n", "?\n"))
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("more", [[], ["--json"], ["--explain"]])
def test_nothing_is_running(tmp_path: Path, more: list[str]) -> None:
    done = tacita("ask", "--state", str(tmp_path), CANARY, *more)
    assert_one_sentence(done)
    assert "Is `tacita up` running?" in done.stderr
    assert CANARY not in done.stderr


def test_the_default_folder(tmp_path: Path) -> None:
    assert (
        str(tmp_path / "tacita" / "endpoints.json") in tacita("ask", "x", XDG_STATE_HOME=str(tmp_path)).stderr
    )
    done = tacita("ask", "x", XDG_STATE_HOME="", HOME=str(tmp_path))
    assert str(tmp_path / ".local" / "state" / "tacita" / "endpoints.json") in done.stderr


def test_a_foreign_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    done = tacita("up", "--state", str(tmp_path))
    assert_one_sentence(done)
    assert "holds something else" in done.stderr
    assert (tmp_path / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("target", ["nope", "ftp://x", "http://me:secret-pw@x"])
def test_what_is_no_target(tmp_path: Path, target: str) -> None:
    done = tacita("up", "--state", str(tmp_path / "state"), "--target", target)
    assert_one_sentence(done)
    assert "secret-pw" not in done.stderr
