import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import rsa

from issuer.keys import KeyExists, create_key, load_key, load_or_create_key
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.errors import ConfigError
from tacita.service.keyfiles import write_secret

NOW = 1_764_000_123.5
MIDNIGHT = 1_763_942_400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def put(folder: Path, name: str, content: bytes | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    write_secret(folder / name, rsa.private_key(0).to_pem() if content is None else content)
    return folder / name


def test_a_key_begins_with_the_utc_day_in_which_it_was_made(folder: Path) -> None:
    path = create_key(folder, NOW)
    assert path.name == f"blind-rsa-2048.{MIDNIGHT}.pem"
    assert load_key(folder).not_before == MIDNIGHT


def test_only_its_owner_reads_the_key(folder: Path) -> None:
    path = create_key(folder, NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key(folder)


def test_what_is_published_depends_on_the_file_alone(folder: Path) -> None:
    put(folder, "blind-rsa-2048.7.pem")
    first, second = load_key(folder), load_key(folder)
    assert first.private_key.public_key == second.private_key.public_key == rsa.private_key(0).public_key
    assert first.not_before == 7


def test_there_is_one_key(folder: Path) -> None:
    create_key(folder, NOW)
    with pytest.raises(KeyExists):
        create_key(folder, NOW + 86_400)


def test_two_keys_are_refused(folder: Path) -> None:
    put(folder, "blind-rsa-2048.1.pem")
    put(folder, "blind-rsa-2048.2.pem")
    with pytest.raises(ConfigError, match="more than one"):
        load_key(folder)


def test_other_files_do_not_matter(folder: Path) -> None:
    put(folder, "blind-rsa-2048.1.pem")
    put(folder, "blind-rsa-2048.01.pem", b"")
    put(folder, "notes.txt", b"")
    assert load_key(folder).not_before == 1


def test_processes_that_start_at_once_end_with_one_key(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda _: load_or_create_key(folder, NOW), range(4)))
    assert len({key.private_key.public_key for key in keys}) == 1
    assert [path.name for path in folder.iterdir()] == [f"blind-rsa-2048.{MIDNIGHT}.pem"]


def test_a_folder_without_a_key_says_what_to_run(folder: Path) -> None:
    with pytest.raises(ConfigError, match="tacita-issuer key create"):
        load_key(folder)


def test_what_is_no_key_is_refused(folder: Path) -> None:
    put(folder, "blind-rsa-2048.1.pem", b"no key")
    with pytest.raises(ConfigError, match="not an RSA private key"):
        load_key(folder)


def test_a_key_of_another_size_is_refused(folder: Path) -> None:
    put(folder, "blind-rsa-2048.1.pem", RsaPrivateKey.generate(3072).to_pem())
    with pytest.raises(ConfigError, match="2048 bits"):
        load_key(folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        create_key(tmp_path / "file" / "keys", NOW)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_key(tmp_path / "file")


def test_the_key_does_not_print(folder: Path) -> None:
    put(folder, "blind-rsa-2048.1.pem")
    assert "PrivateKey" not in repr(load_key(folder))
