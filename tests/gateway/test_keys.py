"""Key files: made once, private, and refused when they are not what the configuration says."""

import stat
from pathlib import Path

import pytest

from gateway.config import KeyConfigEntry
from gateway.keys import load_keys
from tacita.crypto.hpke import Kem
from tacita.errors import ConfigError


def test_a_key_is_made_once_with_mode_0600_and_read_again(tmp_path: Path) -> None:
    entry = KeyConfigEntry(id=9, private_key=tmp_path / "one.key")
    (first,) = load_keys([entry])
    (again,) = load_keys([entry])
    assert first.config == again.config
    assert (first.config.key_id, first.config.kem) == (9, Kem.X25519)
    assert stat.S_IMODE((tmp_path / "one.key").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["one.key"]


def test_each_kem_has_its_keys(tmp_path: Path) -> None:
    keys = load_keys(
        [
            KeyConfigEntry(id=1, private_key=tmp_path / "a", kem="p256"),
            KeyConfigEntry(id=2, private_key=tmp_path / "b", kem="x25519"),
        ]
    )
    assert [key.config.kem for key in keys] == [Kem.P256, Kem.X25519]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    entry = KeyConfigEntry(id=1, private_key=tmp_path / "one.key")
    load_keys([entry])
    (tmp_path / "one.key").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_keys([entry])


@pytest.mark.parametrize("content", [b"", b"short", bytes(31), bytes(33)])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "one.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="private key of the KEM"):
        load_keys([KeyConfigEntry(id=1, private_key=file)])


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made"):
        load_keys([KeyConfigEntry(id=1, private_key=tmp_path / "no" / "one.key")])
