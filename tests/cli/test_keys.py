"""`tacita keys` with the issuer's real command behind it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.issuers import WEEK, config_text

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "issuer.toml"
    path.write_text(config_text())
    return path


def keys(verb: str, config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tacita.cli.main",
            "keys",
            verb,
            "--issuer",
            str(config),
            *options,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_first_keys_from_making_to_checking(config: Path) -> None:
    nothing = keys("check", config)
    assert (nothing.returncode, nothing.stderr) == (1, "")
    assert "holds no keys; run `tacita keys rotate`" in nothing.stdout

    epoch = int(time.time()) // WEEK
    made = keys("rotate", config, "--json")
    assert (made.returncode, made.stderr) == (0, "")
    files = [f"blind-rsa.{WEEK}.{epoch + ahead}.key" for ahead in (0, 1)]
    assert json.loads(made.stdout) == {"epoch": epoch, "made": files, "destroyed": []}
    assert keys("rotate", config).stdout == "nothing was due\n"

    listed = json.loads(keys("list", config, "--json").stdout)["keys"]
    assert [(key["type"], key["token_type"], key["phase"]) for key in listed] == [
        ("blind-rsa", 2, "published"),
        ("blind-rsa", 2, "issuing"),
    ]
    assert [key["file"] for key in listed] == files[::-1]

    well = keys("check", config)
    assert (well.returncode, well.stdout, well.stderr) == (0, "all is well\n", "")


def test_the_table_is_for_people(config: Path) -> None:
    keys("rotate", config)
    head, following, present = keys("list", config).stdout.splitlines()
    assert head.split() == ["type", "epoch", "phase", "issues", "from", "until", "dead", "from", "key", "id"]
    assert following.split()[2] == "published"
    assert present.split()[2] == "issuing"


def test_keys_are_replaced(config: Path) -> None:
    keys("rotate", config)
    before = json.loads(keys("list", config, "--json").stdout)["keys"]
    replaced = keys("rotate", config, "--replace")
    assert replaced.returncode == 0
    assert replaced.stdout.count("destroyed ") == replaced.stdout.count("made ") == 2
    after = json.loads(keys("list", config, "--json").stdout)["keys"]
    assert [key["epoch"] for key in after] == [key["epoch"] for key in before]
    assert not {key["key_id"] for key in after} & {key["key_id"] for key in before}


def test_what_the_role_refuses_is_its_one_sentence(config: Path) -> None:
    keys("rotate", config)
    config.write_text(config_text(key_period=86_400))
    refused = keys("rotate", config)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("tacita-issuer: ")
    assert "another period_seconds" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys",),
        ("keys", "list"),
        ("keys", "destroy"),
        ("keys", "rotate", "--issuer", "x", "--replace", "--accept-gap"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tacita.cli.main", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 2
