"""The operator's commands, as processes."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.issuers import config_text

from issuer.accounts import AccountsFile
from issuer.attesters.api_key import digest_of
from issuer.keys import load_key
from tacita.service.run import EXIT_CONFIG

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "issuer.toml"
    path.write_text(config_text())
    return path


def issuer(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "issuer", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_account_from_beginning_to_end(config: Path) -> None:
    added = issuer("account", "add", "alice", "--config", config)
    assert (added.returncode, added.stderr) == (0, "")
    (record,) = AccountsFile(config.parent / "accounts.json").read()
    assert record.digest == digest_of(added.stdout.removesuffix("\n"))
    assert added.stdout.strip() not in (config.parent / "accounts.json").read_text()

    listed = issuer("account", "list", "--config", config)
    assert listed.stdout.split() == ["alice", "standard", record.created]

    assert issuer("account", "remove", "alice", "--config", config).returncode == 0
    assert issuer("account", "list", "--config", config).stdout == ""


def test_the_api_key_goes_to_a_file(config: Path) -> None:
    file = config.parent / "alice.key"
    added = issuer("account", "add", "alice", "--config", config, "--key-file", file)
    assert (added.returncode, added.stdout, added.stderr) == (0, "", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (record,) = AccountsFile(config.parent / "accounts.json").read()
    assert record.digest == digest_of(file.read_text().strip())

    again = issuer("account", "add", "bob", "--config", config, "--key-file", file)
    assert again.returncode == EXIT_CONFIG
    assert "exists already" in again.stderr


def test_no_key_file_stays_for_an_account_that_was_not_added(config: Path) -> None:
    issuer("account", "add", "alice", "--config", config)
    file = config.parent / "alice.key"
    refused = issuer("account", "add", "alice", "--config", config, "--key-file", file)
    assert refused.returncode == EXIT_CONFIG
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("account", "remove", "nobody"), "There is no account of that name"),
        (("account", "add", "alice", "--tier", "huge"), "no tier of that name"),
        (("account", "add", "alice", "--key-file", "/nowhere/at/all"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(config: Path, arguments: tuple[str, ...], sentence: str) -> None:
    refused = issuer(*arguments, "--config", config)
    assert refused.returncode == EXIT_CONFIG
    assert sentence in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_the_tier_has_to_be_named_where_there_are_several(config: Path) -> None:
    config.write_text(config.read_text().replace("standard = 1000", "standard = 1000, large = 9000"))
    assert "--tier" in issuer("account", "add", "alice", "--config", config).stderr
    assert issuer("account", "add", "alice", "--tier", "large", "--config", config).returncode == 0


def test_a_key_is_made_once(config: Path) -> None:
    made = issuer("key", "create", "--config", config)
    assert made.returncode == 0
    assert Path(made.stdout.strip()).parent == config.parent / "keys"
    load_key(config.parent / "keys")
    assert issuer("key", "create", "--config", config).returncode == EXIT_CONFIG


def test_help_names_the_commands() -> None:
    assert "account add|list|remove, key create" in issuer("--help").stdout


def test_a_configuration_is_checked(config: Path) -> None:
    assert issuer("--check-config", "--config", config).returncode == 0
    config.write_text(config.read_text() + "\nsurprise = 1\n")
    refused = issuer("--check-config", "--config", config)
    assert refused.returncode == EXIT_CONFIG
    assert "surprise" in refused.stderr
