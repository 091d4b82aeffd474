"""The operator's commands, as processes."""

import os
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.issuers import config_text

from issuer.accounts import AccountsFile
from issuer.attesters.api_key import digest_of
from issuer.invitations import Invitations
from issuer.invitations import digest_of as invitation_digest
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


INVITATION = 'kind = "invitation", database = "invitations.sqlite"'
TIERS = "tiers = { standard = 1000 }"


@pytest.fixture
def inviting(config: Path) -> Path:
    text = config.read_text().replace('kind = "api-key", accounts = "accounts.json"', INVITATION)
    config.write_text(text.replace(TIERS, ""))
    return config


def test_invitations_are_shown_once(inviting: Path) -> None:
    arguments = ("--count", "3", "--tokens", "20", "--expires", "7", "--config", inviting)
    made = issuer("invite", "create", *arguments)
    assert (made.returncode, made.stderr) == (0, "")
    codes = made.stdout.split()
    assert len(set(codes)) == 3
    database = Invitations(inviting.parent / "invitations.sqlite")
    assert [one and one.tokens for one in map(database.find, map(invitation_digest, codes))] == [20] * 3
    database.close()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--count", "0"), ("--count", "10001"), ("--tokens", "-1"), ("--tokens", "1e3"), ("--expires", "367")],
)
def test_numbers_of_invitations_are_bounded(inviting: Path, option: str, value: str) -> None:
    options = {"--count": "1", "--tokens": "20", "--expires": "7", option: value}
    given = [word for pair in options.items() for word in pair]
    refused = issuer("invite", "create", *given, "--config", inviting)
    assert refused.returncode == 2
    assert "a number from" in refused.stderr


def test_invitations_are_listed_and_revoked(inviting: Path) -> None:
    arguments = ("--count", "2", "--tokens", "20", "--expires", "7", "--config", inviting)
    codes = issuer("invite", "create", *arguments).stdout.split()
    with closing(Invitations(inviting.parent / "invitations.sqlite")) as database:
        database.create(1, 5, 1, now=1_700_000_000)
        (old,) = (one for one in database.listed() if one.tokens == 5)
        listed = issuer("invite", "list", "--config", inviting)
        assert (listed.returncode, listed.stderr) == (0, "")
        *lines, summary = listed.stdout.splitlines()
        assert summary == "2 valid, 1 expired"
        assert lines[0] == f"{old.label}   5  2023-11-16  expired"
        assert [line.split()[1::2] for line in lines[1:]] == [["20", "valid"]] * 2
        assert not any(code in listed.stdout for code in codes)

        one, other = (line.split()[0] for line in lines[1:])
        revoked = issuer("invite", "revoke", one, old.label, "--config", inviting)
        assert (revoked.returncode, revoked.stdout) == (0, "revoked 2\n")
        again = issuer("invite", "revoke", one, "--config", inviting)
        assert again.returncode == EXIT_CONFIG
        assert f"There is no invitation {one}" in again.stderr
        assert [left.label for left in database.listed()] == [other]
        for wrong in ((), ("--all", other)):
            assert issuer("invite", "revoke", *wrong, "--config", inviting).returncode == 2
        assert issuer("invite", "revoke", "--all", "--config", inviting).stdout == "revoked 1\n"
        assert database.listed() == []
    assert issuer("invite", "list", "--config", inviting).stdout == "0 valid, 0 expired\n"


def test_a_command_of_another_attester(config: Path) -> None:
    for arguments in (("create", "--tokens", "1", "--expires", "1"), ("list",), ("revoke", "--all")):
        refused = issuer("invite", *arguments, "--config", config)
        assert refused.returncode == EXIT_CONFIG
        assert "no invitations" in refused.stderr
    config.write_text(
        config.read_text()
        .replace('kind = "api-key", accounts = "accounts.json"', INVITATION)
        .replace(TIERS, "")
    )
    for arguments in (("add", "alice"), ("list",), ("remove", "alice")):
        refused = issuer("account", *arguments, "--config", config)
        assert refused.returncode == EXIT_CONFIG
        assert "no accounts" in refused.stderr


def test_help_names_the_commands() -> None:
    assert "key list|rotate|check" in issuer("--help").stdout


def test_a_configuration_is_checked(config: Path) -> None:
    assert issuer("--check-config", "--config", config).returncode == 0
    config.write_text(config.read_text() + "\nsurprise = 1\n")
    refused = issuer("--check-config", "--config", config)
    assert refused.returncode == EXIT_CONFIG
    assert "surprise" in refused.stderr
