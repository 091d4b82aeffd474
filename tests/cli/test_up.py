"""`tacita up` as a process: what it shows, what it refuses, and that nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.deployments import Up, children, get, up
from support.terminal import terminal

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("cli")]

_TACITA = [sys.executable, "-m", "tacita.cli.main"]
_NOBODY = "http://127.0.0.1:1"
_ROLES = {"issuer", "relay", "mirror", "gateway"}


def wait_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 40
    while left := {pid for pid in pids if _alive(pid)}:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def role_of(pid: int) -> str:
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return Path(arguments[arguments.index(b"--config") + 1].decode()).stem


def test_a_signal_stops_every_role(tmp_path: Path) -> None:
    with up(tmp_path / "state", _NOBODY) as command:
        started = children(command.process.pid)
        assert {role_of(pid) for pid in started} == _ROLES
        assert command.stop(signal.SIGTERM) == 0
        assert not any(map(_alive, started))
    said = command.output()
    assert "\x1b" not in said
    assert said.endswith("stopped\n")
    # Each of them had the time to end by itself.
    for name in _ROLES:
        log = (tmp_path / "state" / "logs" / f"{name}.log").read_text()
        assert json.loads(log.splitlines()[-1])["event"] == "stopped"


def test_killed_itself_it_leaves_nobody_behind(tmp_path: Path) -> None:
    with up(tmp_path / "state", _NOBODY) as command:
        started = children(command.process.pid)
        command.process.kill()
        command.process.wait()
        wait_gone(started)
    # And the folder is free for another. (What it finds there must not look like its own.)
    (tmp_path / "state" / "endpoints.json").unlink()
    with up(tmp_path / "state", _NOBODY):
        pass


@pytest.mark.parametrize("name", ["issuer", "mirror"])
def test_when_one_role_dies_the_others_are_stopped_and_it_is_said_which(tmp_path: Path, name: str) -> None:
    with up(tmp_path / "state", _NOBODY) as command:
        started = {role_of(pid): pid for pid in children(command.process.pid)}
        os.kill(started[name], signal.SIGKILL)
        assert command.process.wait(40) == 1
        assert not any(map(_alive, started.values()))
    last = command.output().splitlines()[-1]
    log = tmp_path / "state" / "logs" / f"{name}.log"
    assert last == f"tacita: The {name} ended by SIGKILL; its log is {log}."


def test_a_role_that_does_not_start_is_heard(tmp_path: Path) -> None:
    # A gateway refuses a target of a name that no challenge can hold.
    done = subprocess.run(
        [*_TACITA, "up", "--state", str(tmp_path / "state"), "--target", "http://a!b"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    log = tmp_path / "state" / "logs" / "gateway.log"
    assert done.stderr.startswith("tacita: The gateway ended with exit code 78 and said: ")
    assert done.stderr.endswith(f"; its log is {log}.\n")
    assert done.stderr.count("\n") == 1


def test_a_second_one_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with up(tmp_path / "state", _NOBODY) as command:
        before = sorted((tmp_path / "state").rglob("*"))
        done = subprocess.run(
            [*_TACITA, "up", "--state", str(tmp_path / "state")], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "A deployment is running in" in done.stderr
        assert sorted((tmp_path / "state").rglob("*")) == before
        assert command.process.poll() is None


def test_a_signal_while_it_starts(tmp_path: Path) -> None:
    command = Up(tmp_path / "state", _NOBODY)
    while not (tmp_path / "state" / "logs" / "gateway.log").exists():
        time.sleep(0.01)
        assert command.process.poll() is None
    started = children(command.process.pid)
    assert command.stop(signal.SIGINT) == 0
    wait_gone(started)
    assert not (tmp_path / "state" / "endpoints.json").exists()


def test_on_a_terminal_it_fits_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    state = tmp_path / "a b"
    with terminal([*_TACITA, "up", "--state", str(state), "--target", _NOBODY]) as screen:
        screen.wait_for("Ctrl-C")
        assert "starting issuer, relay, mirror, gateway" in screen.raw
        started = children(screen.process.pid)
        assert get(json.loads((state / "endpoints.json").read_text())["relay"]["gateway_keys"])[0] == 200
        screen.type("\x03")
        assert screen.wait() == 0
        assert not any(map(_alive, started))
    lines = screen.lines
    assert f"Ask:       tacita ask --state '{state}' 'Why is the sky blue?'" in lines
    # What a person copies is on one line, however long; everything else fits.
    assert max(len(line.rstrip()) for line in lines if str(state) not in line) <= 80
    rows = [line.split() for line in lines]
    assert [row[0] for row in rows if len(row) == 3 and row[1].startswith("http")] == sorted(
        _ROLES, key=["issuer", "relay", "mirror", "gateway"].index
    )
    assert ["target", _NOBODY] in rows
    assert lines[-2].strip() == "stopped"
