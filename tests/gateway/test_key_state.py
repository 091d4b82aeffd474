"""The state file: what is read is what was written, garbage is a sentence, and nothing old stays."""

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.key_state import KeyState, Retired, StateFile
from gateway.ratchet import MAX_EPOCH, Link
from tacita.crypto.hpke import Kem
from tacita.errors import ConfigError

CHAIN = bytes(range(32))
RETIRED = Retired(1_000, Link(6, CHAIN).keys([Kem.X25519, Kem.P256]))
STATE = KeyState(86_400, Link(7, CHAIN), RETIRED)


@given(
    st.integers(1, 2**40),
    st.integers(0, MAX_EPOCH),
    st.binary(min_size=32, max_size=32),
    st.sampled_from([None, RETIRED]),
)
def test_what_is_decoded_is_what_was_encoded(
    period: int, epoch: int, chain: bytes, retired: Retired | None
) -> None:
    state = KeyState(period, Link(epoch, chain), retired)
    assert KeyState.decode(state.encode(), "x") == state
    assert KeyState.decode(state.encode(), "x").encode() == state.encode()


@given(st.binary(max_size=200))
def test_garbage_is_an_error_of_the_tree(content: bytes) -> None:
    with pytest.raises(ConfigError, match="the file is not key state"):
        KeyState.decode(content, "the file")


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(STATE.encode()), **changes}).encode()


def retired(**changes: Any) -> bytes:
    content = json.loads(STATE.encode())["retired"]
    content["keys"][0].update(changes)
    return changed(retired=content)


@pytest.mark.parametrize(
    "content",
    [
        STATE.encode()[:-3],
        STATE.encode() + b"x",
        changed(more=1),
        changed(epoch=-1),
        changed(epoch=MAX_EPOCH + 1),
        changed(epoch="7"),
        changed(period_seconds=0),
        changed(chain="AAAA"),
        changed(chain="*" * 44),
        changed(retired={}),
        retired(id=256),
        retired(id=RETIRED.keys[1].key_id),
        retired(kem="p384"),
        retired(private_key="AAAA"),
        retired(kem="p256", private_key="A" * 43 + "="),
        b"[" * 100_000,
        bytes(32),
    ],
)
def test_what_is_nearly_right_is_refused_without_saying_a_secret(content: bytes) -> None:
    with pytest.raises(ConfigError, match="not key state") as caught:
        KeyState.decode(content, "x")
    assert str(caught.value).count(".") == 1
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_is_told_from_garbage(version: int) -> None:
    with pytest.raises(ConfigError, match=f"version {version} and this gateway knows version 1"):
        KeyState.decode(changed(version=version, whatever=1), "x")


def test_it_is_made_replaced_and_private(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "new" / "keys.json")
    assert file.read() is None
    following = KeyState(86_400, STATE.link.following())
    for state in (STATE, following):
        with file.locked():
            file.write(state)
        assert file.read() == state
        assert [path.name for path in file.path.parent.iterdir()] == ["keys.json"]
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_what_was_there_is_overwritten_once_the_new_is_stored(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "keys.json")
    with file.locked():
        file.write(STATE)
        descriptor = os.open(file.path, os.O_RDONLY)
        try:
            file.write(KeyState(86_400, STATE.link.following()))
            left = os.pread(descriptor, 4096, 0)
        finally:
            os.close(descriptor)
    assert len(left) == len(STATE.encode())
    assert b"chain" not in left


@pytest.mark.parametrize(
    "name",
    [
        ".keys.json.0123456789abcdef",
        ".keys.json.0123456789abcdef.new",
        ".keys.json.0123456789abcdef.replaced",
        "..keys.json.0123456789abcdef.new.0123456789abcdef",
        "..keys.json.0123456789abcdef.replaced.0123456789abcdef.dead",
    ],
)
def test_what_a_crash_left_is_destroyed_and_nothing_else(tmp_path: Path, name: str) -> None:
    file = StateFile(tmp_path / "keys.json")
    others = ["keys.json.bak", ".keys.json", ".other.json.0123456789abcdef"]
    for each in (name, *others):
        (tmp_path / each).write_bytes(b"secret")
    with file.locked():
        file.write(STATE)
    assert {path.name for path in tmp_path.iterdir()} == {"keys.json", *others}


def test_a_crash_between_link_and_replacement_loses_nothing(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "keys.json")
    with file.locked():
        file.write(STATE)
        (tmp_path / ".keys.json.0123456789abcdef.replaced").hardlink_to(file.path)
        file.sweep()
    assert file.read() == STATE
    assert file.leftovers() == []


def test_who_else_can_read_it_or_not_at_all_is_a_sentence(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "keys.json")
    with file.locked():
        file.write(STATE)
    file.path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        file.read()
    with pytest.raises(ConfigError, match="cannot be changed"), StateFile(file.path / "x").locked():
        pass
    long = StateFile(tmp_path / ("x" * 300))
    with pytest.raises(ConfigError, match="cannot be read"):
        long.read()
    with pytest.raises(ConfigError, match="cannot be read"):
        long.look()


def test_a_look_makes_nothing_and_waits_for_who_changes_it(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "absent" / "keys.json")
    assert file.look() == (None, [])
    assert list(tmp_path.iterdir()) == []
    with file.locked():
        file.write(STATE)
        looking = threading.Thread(target=lambda: looks.append(file.look()))
        looks: list[Any] = []
        looking.start()
        looking.join(0.1)
        assert looks == [], "it waits"
    looking.join(10)
    assert looks == [(STATE, [])]


def test_a_link_is_followed_once_and_for_all(tmp_path: Path) -> None:
    """Otherwise a crash in the wrong moment would leave a second name of the file, to be overwritten."""
    real, link = tmp_path / "real" / "chain.key", tmp_path / "chain.key"
    link.symlink_to(real)
    for state in (STATE, KeyState(86_400, STATE.link.following())):
        file = StateFile(link)
        with file.locked():
            file.write(state)
        assert link.is_symlink()
        assert StateFile(real).read() == StateFile(link).read() == state
        assert [path.name for path in real.parent.iterdir()] == ["chain.key"]


def test_a_file_that_appears_without_the_lock_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(tmp_path / "keys.json")
    file.path.touch(0o600)
    with monkeypatch.context() as patched, file.locked():
        patched.setattr(Path, "exists", lambda _self: False)
        with pytest.raises(ConfigError, match="made by another program"):
            file.write(STATE)
