"""`tacita-issuer --engines`, for people and for programs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import softhsm
from support.issuers import config_text

from issuer import engines
from tacita.crypto.engines.survey import ENGINES
from tacita.service.run import EXIT_CONFIG

ROOT = Path(__file__).resolve().parents[2]


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert engines.main(["--engines"], seconds=0.01) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["engine", "signatures/s"]
    assert [row.split()[0] for row in rows] == [*ENGINES, "pkcs11"]
    assert sum(row.endswith("  auto") for row in rows) == 1
    assert "--config" in rows[-1]


def test_an_object_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert engines.main(["--engines", "--json"], seconds=0.01) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["engines"]] == [*ENGINES, "pkcs11"]
    for one in found["engines"]:
        assert (one["signatures_per_second"] is None) == (one["missing"] is not None)
    first = next(one["name"] for one in found["engines"] if one["signatures_per_second"])
    assert found["auto"] == first


def hsm_config(folder: Path, token: str) -> Path:
    path = folder / "issuer.toml"
    hsm = (
        f'module = "{softhsm.MODULE}", token = "{token}", pin_file = "{softhsm.token().pin_file}", '
        'label_prefix = "engines"'
    )
    path.write_text(config_text(more=f'signer = {{ engine = "pkcs11", hsm = {{ {hsm} }} }}'))
    return path


def test_the_hsm_of_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = hsm_config(tmp_path, softhsm.TOKEN)
    assert engines.main(["--engines", "--json", "--config", str(path)], seconds=0.01) == 0
    assert json.loads(capsys.readouterr().out)["engines"][-1]["signatures_per_second"] > 0


def test_an_hsm_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hsm_config(tmp_path, "another")
    assert engines.main(["--engines", "--config", str(path)], seconds=0.01) == EXIT_CONFIG
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "the token's label" in captured.err


def test_as_a_command() -> None:
    command = [sys.executable, "-W", "error", "-m", "issuer", "--engines", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--json" in done.stdout
