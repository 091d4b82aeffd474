import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.accounts import AccountsFile
from tacita.errors import ConfigError

DIGEST = bytes(32)


@pytest.fixture
def file(tmp_path: Path) -> AccountsFile:
    return AccountsFile(tmp_path / "accounts.json")


def test_a_file_that_is_not_there_has_no_accounts(file: AccountsFile) -> None:
    assert file.read() == []


def test_accounts_stay_in_the_order_in_which_they_came(file: AccountsFile) -> None:
    for name in ("carol", "alice", "bob"):
        file.add(name, "standard", DIGEST, created="2026-01-01")
    file.remove("alice")
    assert [record.name for record in file.read()] == ["carol", "bob"]


def test_a_record_is_read_as_it_was_written(file: AccountsFile) -> None:
    written = file.add(
        "alice", "standard", bytes(range(32)), created="2026-01-01", random=lambda n: b"\x01" * n
    )
    assert file.read() == [written]
    assert written.digest == bytes(range(32))
    assert written.id == "01" * 16


def test_only_its_owner_reads_the_file(file: AccountsFile) -> None:
    file.add("alice", "standard", DIGEST, created="2026-01-01")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        file.read()


def test_a_name_is_taken_once(file: AccountsFile) -> None:
    file.add("alice", "standard", DIGEST, created="2026-01-01")
    with pytest.raises(ConfigError, match="already"):
        file.add("alice", "standard", DIGEST, created="2026-01-01")


def test_only_what_is_there_is_removed(file: AccountsFile) -> None:
    with pytest.raises(ConfigError, match="no account"):
        file.remove("alice")


@pytest.mark.parametrize("name", ["", "-alice", "a b", "a\n", "é", "a" * 65])
def test_what_is_no_name_is_refused(file: AccountsFile, name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        file.add(name, "standard", DIGEST, created="2026-01-01")


def test_commands_at_the_same_time_lose_no_account(file: AccountsFile) -> None:
    def add(number: int) -> None:
        file.add(f"account-{number}", "standard", DIGEST, created="2026-01-01")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    assert len(file.read()) == 24


def test_the_version_changes_with_the_file(file: AccountsFile) -> None:
    versions = [file.version()]
    for name in ("alice", "bob"):
        file.add(name, "standard", DIGEST, created="2026-01-01")
        versions.append(file.version())
    assert len(set(versions)) == 3


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"version": 1},
        {"version": 2, "accounts": []},
        {"version": 1, "accounts": [], "more": 1},
        {
            "version": 1,
            "accounts": [{"name": "a", "id": "1", "tier": "t", "key_sha256": "00", "created": ""}],
        },
        {
            "version": 1,
            "accounts": [{"name": "a", "id": "1", "tier": "t", "key_sha256": "xy", "created": ""}],
        },
        {
            "version": 1,
            "accounts": [{"name": "a", "id": "1", "tier": "t", "key_sha256": "00" * 32, "created": ""}] * 2,
        },
    ],
)
def test_what_is_no_accounts_file_is_refused(file: AccountsFile, document: object) -> None:
    file.path.touch(mode=0o600)
    file.path.write_text(json.dumps(document))
    with pytest.raises(ConfigError):
        file.read()


@given(content=st.binary(max_size=200))
def test_any_bytes_are_accounts_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = AccountsFile(tmp_path_factory.mktemp("accounts") / "accounts.json")
    file.path.touch(mode=0o600)
    file.path.write_bytes(content)
    with pytest.raises(ConfigError):
        file.read()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        AccountsFile(tmp_path / "missing" / "accounts.json").remove("alice")
