import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.key_folder import LEFTOVER_SECONDS, Contents, KeyFolder, KeyName, Stamp
from issuer.key_types import KEY_TYPES
from tacita.crypto.keyring import Schedule
from tacita.errors import ConfigError

NAME = KeyName(2953, "blind-rsa", 604_800)


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys")
    folder.ensure()
    return folder


def names(folder: KeyFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def test_there_is_nothing_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert KeyFolder(tmp_path / "none").look() == Contents({}, {}, {})


def test_a_name_says_type_period_and_epoch(folder: KeyFolder) -> None:
    assert folder.add(NAME, b"secret")
    assert (folder.path / "blind-rsa.604800.2953.key").read_bytes() == b"secret"
    assert list(folder.look().keys) == [NAME]


def test_only_the_owner_can_read(folder: KeyFolder) -> None:
    folder.add(NAME, b"secret")
    folder.record(604_800, 2953)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}
    (folder.path / NAME.file).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        folder.read(NAME)


def test_of_many_that_add_a_key_one_wins_and_its_key_is_whole(folder: KeyFolder) -> None:
    contents = [os.urandom(4000) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda content: folder.add(NAME, content), contents))
    assert won.count(True) == 1
    assert folder.read(NAME) == contents[won.index(True)]
    assert names(folder) == [NAME.file]


def test_the_newest_record_counts_whoever_wrote_it(folder: KeyFolder) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda epoch: folder.record(60, epoch), [5, 7, 6, 7, 4, 7, 5, 6]))
    assert folder.look().epochs == {60: 7}
    folder.record(60, 3)
    folder.record(90, 1)
    assert folder.look().epochs == {60: 7, 90: 1}
    folder.record(60, 8)
    assert names(folder) == ["epoch.60.8", "epoch.90.1"]


def test_a_destroyed_key_is_overwritten(folder: KeyFolder) -> None:
    folder.add(NAME, b"secret")
    with (folder.path / NAME.file).open("rb") as held:
        assert folder.destroy(NAME)
        assert held.read() != b"secret"
    assert names(folder) == []
    assert not folder.destroy(NAME)


def test_of_many_that_destroy_a_key_one_does(folder: KeyFolder) -> None:
    folder.add(NAME, b"secret")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: folder.destroy(NAME), range(8))).count(True) == 1


def test_a_replaced_key_is_overwritten_and_has_another_stamp(folder: KeyFolder) -> None:
    folder.add(NAME, b"secret")
    before = folder.look().keys[NAME]
    with (folder.path / NAME.file).open("rb") as held:
        folder.replace(NAME, b"public")
        assert held.read() != b"secret"
    assert folder.read(NAME) == b"public"
    assert folder.look().keys[NAME] != before
    assert names(folder) == [NAME.file]


@pytest.mark.parametrize(
    "name", [f".{NAME.file}.0123.dead", f"..{NAME.file}.0123.new.4567", f".{NAME.file}.0123.replaced"]
)
def test_what_a_killed_process_left_is_swept_when_it_is_old(folder: KeyFolder, name: str) -> None:
    path = folder.path / name
    path.write_bytes(b"secret")
    now = time.time()
    folder.sweep(folder.look(), now)
    assert path.exists()
    folder.sweep(folder.look(), now + LEFTOVER_SECONDS + 1)
    assert not path.exists()


def test_a_leftover_that_is_also_a_living_key_does_not_take_it_along(folder: KeyFolder) -> None:
    folder.add(NAME, b"secret")
    os.link(folder.path / NAME.file, folder.path / f".{NAME.file}.0123.new")
    folder.sweep(folder.look(), time.time() + LEFTOVER_SECONDS + 1)
    assert folder.read(NAME) == b"secret"
    assert names(folder) == [NAME.file]


@pytest.mark.parametrize(
    "name",
    [
        "blind-rsa.60.01.key",
        "blind-rsa.60.1.pem",
        "other.60.1.key",
        "epoch.60",
        "epoch.60.x",
        "notes",
        ".notes.key",
    ],
)
def test_other_files_do_not_matter(folder: KeyFolder, name: str) -> None:
    (folder.path / name).touch()
    assert folder.look() == Contents({}, {}, {})


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = KeyFolder(tmp_path / "file")
    for action in (
        folder.look,
        folder.ensure,
        lambda: folder.add(NAME, b""),
        lambda: folder.replace(NAME, b""),
        lambda: folder.destroy(NAME),
        lambda: folder.record(1, 1),
    ):
        with pytest.raises(ConfigError, match=r"file .*(cannot be|not a dir)"):
            action()


@given(st.sampled_from(list(KEY_TYPES)), st.integers(1, 10**11), st.integers(0, 10**11))
def test_every_name_is_read_back(kind: str, period: int, epoch: int) -> None:
    name = KeyName(epoch, kind, period)
    assert KeyName.of(name.file) == name


@given(st.integers(2, 1000), st.integers(-5, 5), st.sets(st.integers(0, 2), min_size=1))
def test_keys_without_a_record_tell_when_they_can_have_been_made(
    present: int, off: int, ahead: set[int]
) -> None:
    keys = {KeyName(present + each, "blind-rsa", 60): Stamp(1, 1, 1) for each in ahead}
    newest = present + max(ahead)
    seen = Contents(keys, {}, {}).newest_seen(Schedule(60), (present + off) * 60)
    assert seen is not None
    assert newest - 2 <= seen <= newest - 1
    assert Contents(keys, {60: 9}, {}).newest_seen(Schedule(60), 0) == 9
