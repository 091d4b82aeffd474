"""A target in a process of its own: `python counting_target.py PORT FILE`.

It takes a moment for each request, writes the number in its path to FILE, as soon as it is asked, and
answers 200; while it fails, it answers 500 and writes nothing. `counting_target` runs it for a test, which
may kill it and start it again.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CountingTarget", "counting_target"]

_SECONDS = 0.005
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nanswer"
_FAILED = b"HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n"
_READY = b"ready\n"


class CountingTarget:
    """The process, as a test sees it."""

    def __init__(self, port: int, file: Path) -> None:
        self.port = port
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it can be asked."""
        arguments = [sys.executable, __file__, str(self.port), str(self._file)]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == _READY

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def fail(self, *, failing: bool) -> None:
        """Fail from now on, or no longer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1 if failing else signal.SIGUSR2)

    def asked(self) -> list[int]:
        """Return the numbers that it was asked for, in their order."""
        return [int(line) for line in self._file.read_text().split()]


@contextmanager
def counting_target(port: int, file: Path) -> Iterator[CountingTarget]:
    """Run a target at `port` that writes to `file`."""
    file.touch()
    target = CountingTarget(port, file)
    target.start()
    try:
        yield target
    finally:
        target.kill()


async def _serve(port: int, file: Path) -> None:
    asked = os.open(file, os.O_WRONLY | os.O_APPEND)
    works = asyncio.Event()
    works.set()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, works.clear)
    loop.add_signal_handler(signal.SIGUSR2, works.set)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                number = re.match(rb"GET /(\d+) ", head)
                assert number is not None
                answer = _ANSWER if works.is_set() else _FAILED
                if works.is_set():
                    os.write(asked, number[1] + b"\n")
                await asyncio.sleep(_SECONDS)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", port)
    os.write(1, _READY)
    await server.serve_forever()


if __name__ == "__main__":
    # A port that was just killed at may need a moment.
    for _ in range(100):
        try:
            asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
        except OSError:
            time.sleep(0.05)
