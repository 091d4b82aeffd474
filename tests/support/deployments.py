"""Whole deployments on this machine: by `tacita up`, or with configurations that a test has edited.

    with up(folder / "state", target="http://127.0.0.1:1") as command: ...
    with running(Deployment.create(folder / "state", None)) as roles: ...

Both keep output in files, so that no process waits for somebody to read it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tacita.cli.deployment import Deployment, Process
from tacita.cli.ports import free_ports

__all__ = ["Roles", "Up", "add_account", "children", "edit", "get", "move", "running", "up"]

_START_SECONDS = 60.0
_STOP_SECONDS = 40.0


class Up:
    """A `tacita up` that has announced its endpoints in `state`."""

    def __init__(self, state: Path, target: str | None) -> None:
        self.state = state
        self._output = state.with_name(f"{state.name}.out")
        command = [sys.executable, "-m", "tacita.cli.main", "up", "--state", str(state)]
        command += ["--target", target] if target else []
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def output(self) -> str:
        """Return what the command has printed so far."""
        return self._output.read_text()

    def wait_announced(self) -> None:
        """Return when the deployment is ready. Fails when it ends instead."""
        deadline = time.monotonic() + _START_SECONDS
        while not (self.state / "endpoints.json").exists():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal `number`; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(_STOP_SECONDS)


@contextmanager
def up(state: Path, target: str | None = None) -> Iterator[Up]:
    """Run `tacita up` as a person would, in `state`, until the end of the context."""
    command = Up(state, target)
    try:
        command.wait_announced()
        yield command
        if command.process.poll() is None:
            assert command.stop() == 0, command.output()
    finally:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()


class Roles:
    """The processes of one `Deployment`, each with output files and a home folder of its own."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # Not pytest's folder: the node puts a unix socket there, whose path has 107 bytes at most.
        self._elsewhere = Path(tempfile.mkdtemp(prefix="t-"))

    @property
    def state(self) -> Path:
        """The deployment's folder."""
        return self.deployment.folder

    def folders(self, name: str) -> list[Path]:
        """Return the folders that the process `name` may write to."""
        return [self.state / name, self._elsewhere / name, self.state / "logs" / name]

    def start(self) -> None:
        """Start every process, without waiting for it."""
        for process in self.deployment.processes:
            self._start(process)

    def _start(self, process: Process) -> None:
        _, elsewhere, logs = self.folders(process.name)
        elsewhere.mkdir()
        logs.mkdir(parents=True)
        place = str(elsewhere)
        environment = {**os.environ, "HOME": place, "TMPDIR": place, "XDG_CACHE_HOME": place}
        with (logs / "stdout").open("wb") as out, (logs / "stderr").open("wb") as err:
            self.processes[process.name] = subprocess.Popen(
                [sys.executable, "-m", process.role, "--config", str(process.config)],
                cwd=elsewhere,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def wait_ready(self) -> None:
        """Return when every role says that it is ready. Fails when one ends instead."""
        deadline = time.monotonic() + _START_SECONDS
        for process in self.deployment.processes:
            while get(f"{process.admin}/readyz")[0] != 200:
                assert self.processes[process.name].poll() is None, self.output(process.name)
                assert time.monotonic() < deadline, self.output(process.name)
                time.sleep(0.02)

    def output(self, name: str) -> str:
        """Return what the process `name` has printed so far."""
        logs = self.state / "logs" / name
        return (logs / "stdout").read_text() + (logs / "stderr").read_text()

    def stop(self) -> dict[str, int]:
        """Ask every process to end; return the exit codes of all by name."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        return {name: process.wait(_STOP_SECONDS) for name, process in self.processes.items()}

    def kill(self) -> None:
        """End what is still there, and remove what they wrote outside of the deployment's folder."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self._elsewhere)


@contextmanager
def running(deployment: Deployment) -> Iterator[Roles]:
    """Make the first account, start the roles, wait until they are ready; stop them in the end."""
    run_issuer(deployment.account)
    roles = Roles(deployment)
    try:
        roles.start()
        roles.wait_ready()
        deployment.announce()
        yield roles
        codes = roles.stop()
        assert set(codes.values()) == {0}, codes
    finally:
        roles.kill()


def edit(deployment: Deployment, name: str, change: Callable[[str], str]) -> None:
    """Replace the configuration of the process `name` by what `change` makes of its text."""
    path = next(one.config for one in deployment.processes if one.name == name)
    before = path.read_text()
    after = change(before)
    assert after != before, "the edit changes nothing"
    path.write_text(after)


def move(deployment: Deployment, name: str) -> tuple[int, int]:
    """Have the process `name` listen on another port than everybody believes; return the old and the new one.

    Something that records can then stand at the old one.
    """
    (new,) = free_ports(1)
    old: list[int] = []

    def change(text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            old.append(int(match[1]))
            return f"[listen]\nport = {new}\n"

        return re.sub(r"\[listen\]\nport = (\d+)\n", replace, text)

    edit(deployment, name, change)
    return old[0], new


def run_issuer(arguments: list[str]) -> None:
    """Run one of the issuer's own commands to its end."""
    subprocess.run([sys.executable, "-m", "issuer", *arguments], check=True, stdin=subprocess.DEVNULL)


def add_account(deployment: Deployment, name: str, key_file: Path) -> str:
    """Add the account `name` to the deployment's issuer; return its API key, which `key_file` holds."""
    command = [*deployment.account]
    command[command.index("add") + 1] = name
    command[command.index("--key-file") + 1] = str(key_file)
    run_issuer(command)
    return key_file.read_text().strip()


def get(url: str) -> tuple[int, bytes]:
    """GET `url`; return status and body, or 0 when nobody is there."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 (our own ports)
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def children(pid: int) -> set[int]:
    """Return the processes that `pid` has started and that are still there."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found
