import os
import signal
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tacita.errors import ConfigError
from tacita.service.keyfiles import create_secret, read_secret, write_atomic, write_secret


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_for_its_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_secret(tmp_path / "k", b"secret")
        assert create_secret(tmp_path / "l", b"other")
        write_atomic(tmp_path / "m", b"public")
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in "klm"] == [0o600, 0o600, 0o644]
    assert read_secret(tmp_path / "k", "the key") == b"secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k", "l", "m"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_writes_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12_345, 23_456)
    write_secret(tmp_path / "k", b"secret")
    assert create_secret(tmp_path / "l", b"other")
    write_atomic(tmp_path / "m", b"public")
    owners = [((tmp_path / name).stat().st_uid, (tmp_path / name).stat().st_gid) for name in "klm"]
    assert owners == [(12_345, 23_456)] * 3
    assert [mode(tmp_path / name) for name in "klm"] == [0o600, 0o600, 0o644]


@pytest.mark.parametrize("lax", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_one_that_others_can_read_is_refused(tmp_path: Path, lax: int) -> None:
    (tmp_path / "k").write_bytes(b"canary")
    (tmp_path / "k").chmod(lax)
    with pytest.raises(ConfigError, match=r"\(the key\) is readable by others .* chmod 600") as raised:
        read_secret(tmp_path / "k", "the key")
    assert "canary" not in str(raised.value)


def test_a_lax_mode_ends_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"old")
    (tmp_path / "k").chmod(0o666)
    write_secret(tmp_path / "k", b"new")
    assert mode(tmp_path / "k") == 0o600


@pytest.mark.parametrize("name", ["absent", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\(the key\) cannot be read: "):
        read_secret(tmp_path / name, "the key")


def test_the_first_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "k"
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: create_secret(path, bytes([number]) * 64), range(32)))
    assert sum(won) == 1
    assert path.read_bytes() == bytes([won.index(True)]) * 64
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_whose_answer_was_lost_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As over NFS, whose clients ask again and are told that the name exists: by themselves."""
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    assert create_secret(tmp_path / "k", b"secret")
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_concurrent_writers_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "k"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_secret(path, bytes([number]) * 4096), range(32)))
    content = path.read_bytes()
    assert content == content[:1] * 4096
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    folder.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_secret(folder, b"new")
    assert list(tmp_path.iterdir()) == [folder]


def test_killed_at_any_moment_the_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "k"
    write_secret(path, b"\0" * 65_536)
    program = """
        import sys
        from pathlib import Path
        from tacita.service.keyfiles import write_secret
        number = 0
        while True:
            number = (number + 1) % 256
            write_secret(Path(sys.argv[1]), bytes([number]) * 65536)
            print(flush=True)
    """
    for writes in (1, 2, 7):
        command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(writes):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        content = read_secret(path, "the key")
        assert content == content[:1] * 65_536
