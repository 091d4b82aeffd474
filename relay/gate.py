"""How much each network may have of the relay: connections, messages, documents (`relay.limiter`).

The gate is the only place that an address reaches, and it goes no further: what the handlers, the log and
the metrics learn is that somebody was refused. Everybody is refused in the same words, and is not told
when to come back: that would tell the networks that share a place in the table apart.

Whoever connects from this host is no client but a front, for whose clients one share would be too little:
it is let in, unless it says where they come from (`trusted_hops`, or a PROXY header).
"""

import time
from collections.abc import Callable

from relay.config import AddressLimits
from relay.errors import TooManyRequests
from relay.fronts import source_of
from relay.limiter import Limiter, Ticket, network_of
from tacita.net.gate import Visit
from tacita.net.message import Fields

__all__ = ["Gate"]

Refused = Callable[[str], None]
"""Told what was refused: connection, message, document."""

_ANY_RATE = 1e9


class Gate:
    """`tacita.net.gate.Gate` for what `limits` allow. `clock` gives seconds that never go back."""

    def __init__(
        self, limits: AddressLimits, refused: Refused, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        def limiter(per_second: float, burst: int, concurrent: int) -> Limiter:
            return Limiter(
                per_second,
                burst,
                concurrent,
                clock=clock,
                prefix=limits.ipv6_prefix,
                key_seconds=limits.key_seconds,
            )

        self.refused = refused
        self.messages = limiter(limits.per_second, limits.burst, limits.concurrent)
        self.documents = limiter(limits.documents_per_second, limits.documents_burst, limits.concurrent)
        self._connections = limiter(_ANY_RATE, limits.connections, limits.connections)
        self._prefix = limits.ipv6_prefix
        self._hops = limits.trusted_hops
        self._field = limits.trusted_field.encode()

    def visit(self, address: str) -> Visit | None:
        """Let a connection from `address` in, or return None."""
        if self._hops:
            # The front's: it brings many.
            return _Brought(self)
        if _is_here(address):
            return _FREE
        network = network_of(address, self._prefix)
        connection = self._connections.ticket(network)
        if not connection.enter():
            self.refused("connection")
            return None
        return _OwnVisit(self, network, connection)

    def source(self, fields: Fields) -> bytes:
        """Return the network that the front says that a request comes from."""
        return network_of(source_of(fields, self._field, self._hops), self._prefix)

    def refuse(self, method: bytes) -> TooManyRequests:
        """Count a refusal, and return it."""
        self.refused("message" if method == b"POST" else "document")
        return TooManyRequests("Your network has had its share; try again later.")


class _OwnVisit:
    """A connection of a client's own."""

    __slots__ = ("_connection", "_documents", "_gate", "_inside", "_messages", "_network")

    def __init__(self, gate: Gate, network: bytes, connection: Ticket) -> None:
        self._gate = gate
        self._network = network
        self._connection = connection
        self._messages = gate.messages.ticket(network)
        self._documents: Ticket | None = None
        self._inside: Ticket | None = None

    def begin(self, method: bytes, fields: Fields) -> None:
        """Let a request in. Raises `TooManyRequests`."""
        if method == b"POST":
            ticket = self._messages
        else:
            ticket = self._documents = self._documents or self._gate.documents.ticket(self._network)
        if not ticket.enter():
            raise self._gate.refuse(method)
        self._inside = ticket

    def end(self) -> None:
        """The request is over."""
        if self._inside is not None:
            self._inside.done()
            self._inside = None

    def over(self) -> None:
        """The connection is gone."""
        self._connection.done()


class _Brought:
    """A connection of a front's, each request on which may come from another network."""

    __slots__ = ("_gate", "_inside")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._inside: Ticket | None = None

    def begin(self, method: bytes, fields: Fields) -> None:
        """Let a request in. Raises `TooManyRequests`."""
        gate = self._gate
        limiter = gate.messages if method == b"POST" else gate.documents
        ticket = limiter.ticket(gate.source(fields))
        if not ticket.enter():
            raise gate.refuse(method)
        self._inside = ticket

    def end(self) -> None:
        """The request is over, and with it what is known of where it came from."""
        if self._inside is not None:
            self._inside.done()
            self._inside = None

    def over(self) -> None:
        """The connection is gone."""


class _Free:
    """A connection that nothing is asked of."""

    __slots__ = ()

    def begin(self, method: bytes, fields: Fields) -> None:
        """Let every request in."""

    def end(self) -> None:
        """The request is over."""

    def over(self) -> None:
        """The connection is gone."""


_FREE = _Free()


def _is_here(address: str) -> bool:
    """Say whether `address`, as a socket spells it, is of this host: loopback, or a unix socket's (none)."""
    return address in {"", "::1"} or address.startswith(("127.", "::ffff:127."))
