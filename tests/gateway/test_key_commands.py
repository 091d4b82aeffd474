"""`tacita-gateway key`, and `tacita keys --gateway`, as an operator runs them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.gateways import config_text

from tacita.service.run import EXIT_CONFIG

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400


def run(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def key(verb: str, config: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("gateway", "key", verb, "--config", config, *arguments)


def made(folder: Path) -> Path:
    folder.mkdir()
    config = folder / "gateway.toml"
    # One period a year: no boundary comes in between.
    config.write_text(config_text(1, 2, keys=f"period_seconds = {366 * DAY}"))
    return config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return made(tmp_path / "one")


def listed(config: Path) -> list[dict[str, str | int]]:
    keys: list[dict[str, str | int]] = json.loads(key("list", config, "--json").stdout)["keys"]
    return keys


def test_the_first_chain_from_making_to_checking(config: Path) -> None:
    nothing = key("check", config)
    assert (nothing.returncode, nothing.stderr) == (1, "")
    assert "is missing; start the gateway, or run `tacita-gateway key rotate`" in nothing.stdout

    epoch = int(time.time()) // (366 * DAY)
    begun = key("rotate", config, "--json")
    assert (begun.returncode, begun.stderr) == (0, "")
    assert json.loads(begun.stdout) == {
        "epoch": epoch, "begun": True, "taken": False, "steps": 0, "erased": False,
    }  # fmt: skip
    assert key("rotate", config).stdout == "nothing was due\n"

    assert [(one["kem"], one["epoch"], one["phase"]) for one in listed(config)] == [
        ("x25519", epoch, "current"),
        ("p256", epoch, "current"),
        ("x25519", epoch + 1, "next"),
        ("p256", epoch + 1, "next"),
    ]
    well = key("check", config)
    assert (well.returncode, well.stdout, well.stderr) == (0, "all is well\n", "")
    assert json.loads(key("check", config, "--json").stdout) == {"ok": True, "findings": []}


def test_another_instance_gets_the_chain(config: Path, tmp_path: Path) -> None:
    other, seed = made(tmp_path / "other"), tmp_path / "seed.key"
    key("rotate", config)
    exported = key("export", config, seed)
    assert (exported.returncode, exported.stdout[:27]) == (0, "exported the chain of epoch")
    assert seed.stat().st_mode & 0o077 == 0
    again = key("export", config, seed)
    assert (again.returncode, again.stderr.count("\n")) == (EXIT_CONFIG, 1)
    assert "exists already" in again.stderr

    taken = key("import", other, seed)
    assert (taken.returncode, taken.stderr) == (0, "")
    assert taken.stdout == "took the chain of the seed, and destroyed that\n"
    assert not seed.exists()
    assert listed(other) == listed(config)

    key("rotate", config, "--replace")
    assert listed(other) != listed(config)
    key("export", config, seed)
    assert "--replace" in key("import", other, seed).stderr
    assert key("import", other, seed, "--replace").returncode == 0
    assert listed(other) == listed(config)


def test_nothing_to_export_and_nothing_to_import(config: Path, tmp_path: Path) -> None:
    for verb in ("export", "import"):
        refused = key(verb, config, tmp_path / "seed.key")
        assert (refused.returncode, refused.stdout) == (EXIT_CONFIG, "")
        assert refused.stderr.startswith("tacita-gateway: ")
        assert refused.stderr.count("\n") == 1


def test_tacita_keys_runs_them(config: Path) -> None:
    def keys(verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        return run("tacita.cli.main", "keys", verb, "--gateway", config, *options)

    assert keys("check").returncode == 1
    assert keys("rotate").stdout.startswith("began a chain in epoch ")
    head, first, *_ = keys("list").stdout.splitlines()
    assert head.split()[:4] == ["key", "id", "kem", "epoch"]
    assert first.split()[1:4:2] == ["x25519", "current"]
    assert keys("rotate", "--replace", "--json").returncode == 0
    assert keys("check").stdout == "all is well\n"


@pytest.mark.parametrize("arguments", [("key",), ("key", "destroy"), ("key", "export", "--config", "x")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run("gateway", *arguments).returncode == 2
