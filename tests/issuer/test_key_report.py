"""What `key check` finds, by a clock that the tests hold, and how `key` says it."""

import os
import time
from pathlib import Path

import pytest

from issuer.config import KeysConfig
from issuer.key_folder import LEFTOVER_SECONDS, KeyFolder, KeyName
from issuer.key_report import entries, findings
from issuer.key_types import KEY_TYPES, types_named
from issuer.keys import IssuerKeys
from tacita.crypto.keyring import Phase
from tacita.errors import ConfigError
from tacita.service.keyfiles import write_secret

KIND = "voprf-ristretto255"
PERIOD = 1000


@pytest.fixture
def config(tmp_path: Path) -> KeysConfig:
    config = KeysConfig(folder=tmp_path / "keys", types=(KIND,), period_seconds=PERIOD)
    turn(config, 5000)
    return config


def turn(config: KeysConfig, now: float) -> None:
    folder, types = KeyFolder(config.folder), types_named(config.types)
    IssuerKeys(folder, types, config.schedule, prepare=False, clock=lambda: now).turn()


def file(config: KeysConfig, epoch: int) -> Path:
    return config.folder / KeyName(epoch, KIND, PERIOD).file


def codes(config: KeysConfig, now: float) -> list[str]:
    return [finding.code for finding in findings(config, now)]


def test_all_is_well(config: KeysConfig) -> None:
    assert codes(config, 5999) == []
    turn(config, 6000)
    assert codes(config, 6000) == []


def test_each_key_has_its_times(config: KeysConfig) -> None:
    turn(config, 6000)
    listed = entries(config, 6000)
    assert [(one.epoch, one.phase) for one in listed] == [
        (7, Phase.PUBLISHED),
        (6, Phase.ISSUING),
        (5, Phase.REDEEMABLE),
    ]
    assert [(one.not_before, one.issues_until, one.dead_from) for one in listed] == [
        (7000, 8000, 9000),
        (6000, 7000, 8000),
        (5000, 6000, 7000),
    ]
    assert all(one.key_id for one in listed)


def test_no_keys_at_all(tmp_path: Path) -> None:
    assert codes(KeysConfig(folder=tmp_path / "none"), 0) == ["missing"]


def test_the_next_key_is_missing(config: KeysConfig) -> None:
    file(config, 6).unlink()
    (finding,) = findings(config, 5000)
    assert finding.code == "missing"
    assert "issues next" in finding.sentence


def test_nobody_has_turned_over(config: KeysConfig) -> None:
    assert codes(config, 6500) == ["missing"]
    assert codes(config, 7500) == ["clock", "missing", "missing", "dead"]


def test_a_clock_set_back(config: KeysConfig) -> None:
    assert codes(config, 4500) == ["clock", "missing"]


def test_modes(config: KeysConfig) -> None:
    file(config, 5).chmod(0o640)
    config.folder.chmod(0o770)
    assert codes(config, 5000) == ["mode", "mode", "unusable"]


def test_a_file_that_is_no_key(config: KeysConfig) -> None:
    file(config, 5).write_bytes(b"no key")
    assert codes(config, 5000) == ["unusable"]
    assert [one.key_id is None for one in entries(config, 5000)] == [False, True]


def test_two_keys_with_one_truncated_id(config: KeysConfig) -> None:
    kind = KEY_TYPES[KIND]
    wanted = kind.load(file(config, 5).read_bytes()).public_key.key_id[-1]
    content = kind.generate()
    while kind.load(content).public_key.key_id[-1] != wanted:
        content = kind.generate()
    write_secret(file(config, 6), content)
    assert codes(config, 5000) == ["collision"]


def test_another_period(config: KeysConfig) -> None:
    other = KeysConfig(folder=config.folder, types=(KIND,), period_seconds=PERIOD + 1)
    assert codes(other, 5000) == ["period"]


def test_what_a_killed_process_left(config: KeysConfig) -> None:
    left = config.folder / f".{file(config, 5).name}.0123.dead"
    left.touch()
    now = time.time()
    os.utime(left, (now, now - LEFTOVER_SECONDS - 1))
    assert "leftover" in codes(config, now)


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be read"):
        findings(KeysConfig(folder=tmp_path / "file"), 0)
