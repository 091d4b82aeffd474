"""The connections to one server: kept between requests, bounded in number, swept now and then.

An idle connection is taken at random: a server that sees one connection after the other being
used in a fixed order could tell from it which requests belong together.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable

from tacita.net.connection import Connection
from tacita.net.dial import Dialler
from tacita.net.errors import UpstreamBusy

__all__ = ["IDLE_SECONDS", "Pool"]

IDLE_SECONDS = 10.0
"""How long an idle connection is kept: well below the 75 s of nginx and aiohttp servers, so that the
server does not close one in the moment in which we send on it."""


class Pool:
    """At most `limit` connections. Whoever takes one gives it back, or ends it.

    `tick` is how often, in seconds, the waits on connections are looked at. `random` returns a number
    from 0 to below 1. It need not be unpredictable: what it decides has nothing to do with who asks.
    """

    def __init__(
        self,
        limit: int,
        connect_seconds: float,
        tick: float,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._limit = limit
        self._connect_seconds = connect_seconds
        self._tick = tick
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._opening = 0
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    def idle(self) -> Connection | None:
        """Take an idle connection, if there is one that the server has not closed."""
        idle = self._idle
        while idle:
            chosen = int(self._random() * len(idle))
            idle[chosen], idle[-1] = idle[-1], idle[chosen]
            connection = idle.pop()
            if connection.usable():
                return connection
            connection.close()
        return None

    def lacks(self, spare: int) -> bool:
        """Say whether fewer than `spare` connections are idle or being opened, and there is room for more."""
        return (
            len(self._idle) + self._opening < spare
            and len(self._all) + self._opening < self._limit
            and not self._queue
        )

    async def take(self, dialler: Dialler) -> Connection:
        """Open a connection, or wait for one where there are as many as may be.

        Raises:
            UpstreamBusy: none became free in time.
            UpstreamUnreachable: the server cannot be reached, or not in time.
        """
        until = self._loop.time() + self._connect_seconds
        while len(self._all) + self._opening >= self._limit:
            connection = await self._queued(until)
            if connection is not None and connection.usable():
                return connection
        self._opening += 1
        try:
            connection = await dialler.open(until - self._loop.time())
            self._all.add(connection)
        finally:
            self._opening -= 1
            self._next()
        self._start_sweeping()
        return connection

    async def _queued(self, until: float) -> Connection | None:
        """Wait for one that is given back; None: for room to open one."""
        place: asyncio.Future[Connection | None] = self._loop.create_future()
        self._queue.append(place)
        try:
            async with asyncio.timeout_at(until):
                return await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._pass_on(place.result())
            elif place in self._queue:
                self._queue.remove(place)
            if isinstance(error, TimeoutError):
                raise UpstreamBusy from None
            raise

    def give(self, connection: Connection) -> None:
        """Give back a connection that can be used again."""
        connection.since = self._loop.time()
        if self._queue:
            self._pass_on(connection)
        else:
            self._idle.append(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._all and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)
        self._next()

    async def close(self) -> None:
        """Close every connection, whatever it is used for; return when all are gone."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._all):
            connection.abort()
        if self._all:
            self._empty = self._loop.create_future()
            await self._empty

    def _pass_on(self, connection: Connection | None) -> None:
        """Hand `connection`, or room for one, to whoever has waited longest."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(connection)
                return
        if connection is not None:
            self._idle.append(connection)

    def _next(self) -> None:
        if self._queue and len(self._all) + self._opening < self._limit:
            self._pass_on(None)

    def _start_sweeping(self) -> None:
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._tick, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        oldest = now - IDLE_SECONDS
        for connection in [one for one in self._idle if one.since < oldest]:
            self._idle.remove(connection)
            connection.close()
        for connection in list(self._all):
            connection.check(now)
        self._sweeper = None
        if self._all:
            self._start_sweeping()
