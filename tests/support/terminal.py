"""A command under a pseudo terminal of 80 columns, as a person has it.

with terminal([sys.executable, "-m", "tacita.cli.main", "up"]) as screen:
    screen.wait_for("Ctrl-C")
    screen.type("\\x03")
    assert screen.wait() == 0
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

__all__ = ["Screen", "terminal"]

_SECONDS = 60.0
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class Screen:
    """What the command has written, and a keyboard."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._written = b""

    @property
    def raw(self) -> str:
        """Everything that was written, escape codes among it."""
        return self._written.decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The same as lines of text, each as it was left in the end."""
        text = _STEERING.sub("", self.raw).replace("\r\n", "\n")
        return [line.rpartition("\r")[2] for line in text.split("\n")]

    def type(self, keys: str) -> None:
        """Press `keys`."""
        os.write(self._descriptor, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` was written. Fails when the command ends before, or after a minute."""
        deadline = time.monotonic() + _SECONDS
        while text not in self.raw:
            assert time.monotonic() < deadline, self.raw
            assert self._read(), self.raw

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + _SECONDS
        while self._read():
            assert time.monotonic() < deadline, self.raw
        return self.process.wait(_SECONDS)

    def _read(self) -> bool:
        if not select.select([self._descriptor], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:  # Linux says EIO when nobody has the other end open any more.
            return False
        self._written += data
        return bool(data)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Screen]:
    """Run `command` as the foreground of a terminal, and see that it is gone in the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    settings = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**settings, "TERM": "xterm-256color", **(environment or {})},
        start_new_session=True,
        # Ctrl-C is for the terminal's foreground group.
        preexec_fn=_take_terminal,  # noqa: PLW1509 (one system call)
    )
    os.close(theirs)
    try:
        yield Screen(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
