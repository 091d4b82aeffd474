"""Connections to one address: a job gets a free one, or a new one, or waits for its turn.

A job that waits does so on the target's account: the number of connections is part of what
is measured, and its latency counts from the moment at which it was due.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable

from loadtest.client.connection import Connection
from loadtest.client.job import Job
from loadtest.client.outcomes import Outcome, burnt, unsent

__all__ = ["Pool"]

_IDLE_NS = 10_000_000_000
"""How long an idle connection is used again: well below the 60 to 75 s of servers."""

_SWEEP_SECONDS = 0.25


class Pool:
    """At most `limit` connections to `ip`, port `port`; `host` is what a TLS certificate has to name."""

    def __init__(
        self,
        ip: str,
        port: int,
        *,
        finish: Callable[[Job, Outcome, int], None],
        limit: int,
        timeout: float,
        tls: ssl.SSLContext | None = None,
        host: str = "",
    ) -> None:
        self._where = (ip, port)
        self._tls = tls
        self._host = host or ip
        self._finish = finish
        self._limit = limit
        self._timeout = timeout
        self._free: list[Connection] = []
        self._open: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: deque[Job] = deque()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        self.queued = 0

    def submit(self, job: Job) -> None:
        """Send `job` as soon as a connection is free; its end is told to `finish`."""
        now = time.monotonic_ns()
        while self._free:
            connection = self._free.pop()
            if now - connection.idle_since < _IDLE_NS:
                connection.send(job)
                return
            connection.close()
        self._waiting.append(job)
        if len(self._open) + len(self._connecting) < self._limit:
            if len(self._connecting) < len(self._waiting):
                self._connect()
        else:
            self.queued += 1

    async def close(self) -> None:
        """Give up whatever is still under way or waiting."""
        self._sweeper.cancel()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        while self._waiting:
            self._finish(self._waiting.popleft(), unsent("stopped"), time.monotonic_ns())
        for connection in list(self._open):
            connection.abort(burnt("timeout"))

    def _connect(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connected())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connected(self) -> None:
        loop = asyncio.get_running_loop()
        reason = "refused"
        try:
            async with asyncio.timeout(self._timeout):
                _, made = await loop.create_connection(
                    lambda: Connection(self._finish, self._freed, self._lost),
                    *self._where,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except ssl.SSLError:
            reason = "tls"
        except TimeoutError:
            reason = "timeout"
        except OSError:
            pass
        else:
            self._open.add(made)
            self._freed(made)
            return
        # One job for each connection that could not be made: the others have attempts of their own.
        if self._waiting:
            self._finish(self._waiting.popleft(), unsent(reason), time.monotonic_ns())

    def _freed(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            connection.idle_since = time.monotonic_ns()
            self._free.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        if self._waiting and len(self._open) + len(self._connecting) < self._limit:
            self._connect()

    def _sweep(self) -> None:
        oldest = time.monotonic_ns() - round(self._timeout * 1e9)
        for connection in [one for one in self._open if one.job is not None and one.job.sent < oldest]:
            connection.abort(burnt("timeout"))
        while self._waiting and self._waiting[0].due < oldest:
            self._finish(self._waiting.popleft(), unsent("timeout"), time.monotonic_ns())
        # A job whose attempt to connect has failed on another's account still wants one of its own.
        missing = min(
            len(self._waiting) - len(self._connecting),
            self._limit - len(self._open) - len(self._connecting),
        )
        if not self._free:
            for _ in range(missing):
                self._connect()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
