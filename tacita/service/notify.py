"""Telling systemd how the service is: sd_notify(3), the datagrams and nothing else.

Under a supervisor that did not ask (no NOTIFY_SOCKET in the environment) all of it does nothing. A supervisor
that went away is no reason to fail: what it missed it will ask for in its own way.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

__all__ = ["Supervisor"]


class Supervisor:
    """The supervisor that `environment` names, if any."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with an @; anything else but a path is of no kind that we know.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._known = address.startswith(("/", "@"))
        ours = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
        asked = environment.get("WATCHDOG_USEC", "")
        self._watchdog = int(asked) / 1e6 if self._known and ours and asked.isdecimal() else 0.0

    @property
    def watchdog_seconds(self) -> float:
        """How often `alive` has to be called at least, by half of what the supervisor waits; 0 for never."""
        return self._watchdog / 2

    def ready(self) -> None:
        """Say that the service is ready, after its start and after a reload."""
        self._tell("READY=1")

    def status(self, sentence: str) -> None:
        """Say in words how the service is, for who looks (one line)."""
        self._tell(f"STATUS={sentence}")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends it (Type=notify-reload)."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Say that the service runs: with the watchdog, its silence means a restart."""
        self._tell("WATCHDOG=1")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Call `alive` as often as is asked for: for as long as the event loop turns."""
        task = asyncio.create_task(self._live())
        try:
            yield
        finally:
            task.cancel()

    async def _live(self) -> None:
        while self._watchdog:
            self.alive()
            await asyncio.sleep(self.watchdog_seconds)

    def _tell(self, state: str) -> None:
        if not self._known:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            # Never wait for a supervisor that does not read.
            sender.setblocking(False)
            sender.connect(self._address)
            sender.send(state.encode())
