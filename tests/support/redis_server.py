"""A real redis-server in a folder of its own, which tests may kill, pause and start again.

Where the binary is missing, a test that needs it is skipped with the reason printed; with
CI set in the environment it fails instead, so that nobody takes silence for success.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import pytest
import redis

__all__ = ["DURABLE", "RedisServer"]

DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
"""Settings under which spent tokens may be kept."""

_START_SECONDS = 20.0


def _binary() -> str:
    path = shutil.which("redis-server")
    if path is None:
        reason = "redis-server is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


class RedisServer:
    """One server on a unix socket, with `options` from redis.conf. A context manager; starts on entry."""

    def __init__(self, **options: str) -> None:
        self._binary = _binary()
        # Not pytest's folder: the path of a unix socket has 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self.folder / "redis.sock"
        self.address = f"unix://{self.socket}"
        self.options = {"port": "0", **{name.replace("_", "-"): value for name, value in options.items()}}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start on the same folder, and return when the server answers and has loaded its data."""
        # What a killed server leaves behind would look like one that is not ready yet.
        self.socket.unlink(missing_ok=True)
        arguments = [self._binary, "--dir", str(self.folder), "--unixsocket", str(self.socket)]
        arguments += ["--logfile", "redis.log"]
        for name, value in self.options.items():
            arguments += [f"--{name}", *value.split(" ")]
        self._process = subprocess.Popen(arguments)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"redis-server did not start:\n{(self.folder / 'redis.log').read_text()}")
            time.sleep(0.01)

    @property
    def runs(self) -> bool:
        """Whether the server was started and not killed."""
        return self._process is not None

    def kill(self) -> None:
        """End the server with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let the server hang: connections are taken by the kernel, answers do not come."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def ask(self, *command: str) -> Any:
        """Return the reply to `command`, given over a connection of its own."""
        with redis.Redis(
            unix_socket_path=str(self.socket), password=self.options.get("requirepass"), protocol=2
        ) as client:
            return client.execute_command(*command)

    def wait_for(self, section: str, fact: str, value: object) -> None:
        """Return once INFO `section` says that `fact` has `value`."""
        deadline = time.monotonic() + _START_SECONDS
        while (found := self.ask("INFO", section).get(fact)) != value:
            if time.monotonic() > deadline:
                pytest.fail(f"{fact} stayed {found!r}")
            time.sleep(0.02)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            self.ask("DBSIZE")
        except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
            return False
        return True
