"""The fast lane: answers `POST` for some paths straight from the wire, and lets aiohttp do the rest.

    lane = Lane({"/message": handler}, runner.server, render)
    server = await loop.create_server(lane, host, port, ssl=context)
    ...
    server.close()
    await lane.drain(seconds)
    await lane.close(seconds)

`runner` is an `aiohttp.web.AppRunner` that is set up. A connection whose request is not for the lane is
handed over with all bytes that have come of that request, at its first request or at a later one, and
then stays with aiohttp. So the application needs the same handlers on the same paths
(`tacita.net.carried`).

All times are kept by one coarse sweep over all connections, not by a timer for each request.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from tacita.net.gate import Gate, Visit
from tacita.net.lane.answers import head
from tacita.net.lane.connection import Connection
from tacita.net.lane.heads import Heads
from tacita.net.lane.limits import Limits
from tacita.net.message import Fields, Render, Routes

__all__ = ["Lane"]

_SWEEP_SECONDS = 0.25
"""How late a deadline may be noticed. Ten thousand connections are looked at in 2 ms."""


class Lane:
    """A factory of protocols. `elsewhere` is the factory of those that take what is not in `routes`.

    `render` makes the answer for what a handler raised. To be made where an event loop runs.
    """

    def __init__(
        self,
        routes: Routes,
        elsewhere: Callable[[], asyncio.Protocol],
        render: Render,
        limits: Limits | None = None,
        *,
        others: Callable[[], int] = lambda: 0,
        gate: Gate | None = None,
    ) -> None:
        """`others` says how many connections are elsewhere: they count towards the limit too.

        `gate` stands before all of them; before the requests of those elsewhere it is put by whoever
        serves them, with the `visit` of each.
        """
        self.loop = asyncio.get_running_loop()
        self.limits = limits or Limits()
        self.heads = Heads(routes, self.limits)
        self.elsewhere = elsewhere
        self.render = render
        self.draining = False
        self.under_way = 0
        """How many requests have begun and not ended."""
        self._connections: set[Connection] = set()
        self._others = others
        self._gate = gate
        self._visits: dict[asyncio.BaseTransport, Visit] = {}
        """Of the connections that are elsewhere."""
        self._handed = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return Connection(self)

    def connection_from(self, address: str) -> asyncio.Protocol:
        """Return the protocol of a new connection that really comes from `address`, whoever brings it."""
        return Connection(self, address)

    def visit(self, transport: asyncio.BaseTransport | None) -> Visit | None:
        """Return the visit of a connection that is elsewhere, if a gate has let it in."""
        return self._visits.get(transport) if transport is not None else None

    async def drain(self, seconds: float) -> None:
        """Wait until no request is under way, at most for `seconds`; connections end after their answer."""
        self.draining = True
        for connection in self._connections:
            # For heads of answers that are still to come.
            connection.keep = False
        self._idle.clear()
        if self.under_way:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), seconds)

    async def close(self, seconds: float = 1.0) -> None:
        """Close every connection, and give handlers that are cancelled by it `seconds` to see it."""
        self.draining = True
        self._idle.clear()
        for connection in list(self._connections):
            connection.transport.abort()
        # The transports tell their protocols in the next round of the loop.
        await asyncio.sleep(0)
        if self.under_way:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), seconds)
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    # What connections call

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; say whether there is room for it."""
        if len(self._connections) + self._handed >= self.limits.connections:
            return False
        if self._gate is not None:
            connection.visit = self._gate.visit(_source(connection))
            if connection.visit is None:
                return False
        self._connections.add(connection)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(_SWEEP_SECONDS, self._sweep)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if connection.visit is not None:
            connection.visit.over()

    def hand_over(self, connection: Connection) -> None:
        """A connection goes elsewhere."""
        self._connections.discard(connection)
        self._handed += 1
        if connection.visit is not None:
            self._visits[connection.transport] = connection.visit

    def done(self) -> None:
        """A request has ended."""
        self.under_way -= 1
        if self.draining and not self.under_way:
            self._idle.set()

    def whole(self, status: int, fields: Fields, content: bytes, *, close: bool = True) -> bytes:
        """Return a whole answer as it goes out; `close`: the last one of its connection."""
        fields = tuple(field for field in fields if field[0].lower() != b"connection")
        return head(status, fields, len(content), close=close) + content

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self._connections):
            connection.sweep(now)
        # What is elsewhere does not tell us when it goes.
        self._handed = self._others()
        for transport in [one for one in self._visits if one.is_closing()]:
            self._visits.pop(transport).over()
        self._sweeper = (
            self.loop.call_later(_SWEEP_SECONDS, self._sweep)
            if self._connections or self._handed or self._visits
            else None
        )


def _source(connection: Connection) -> str:
    """Return the address that a new connection comes from, once; empty where it has none."""
    source, connection.source = connection.source, None
    if source is None:
        name = connection.transport.get_extra_info("peername")
        source = name[0] if isinstance(name, tuple) else ""
    return source
