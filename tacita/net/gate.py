"""What may stand before a port's handlers and let only so many in: by connection, and by request.

It is told the peer's address when a connection comes, and nobody behind it is: a `message.Request`
has none. One connection has one request at a time.
"""

from typing import Protocol

from tacita.net.message import Fields

__all__ = ["Gate", "Visit"]


class Visit(Protocol):
    """A connection that was let in."""

    def begin(self, method: bytes, fields: Fields) -> None:
        """Let a request in whose head has these lowercase `fields`, until `end`.

        Raises:
            TacitaError: it is not let in; then there is nothing to end.
        """

    def end(self) -> None:
        """The request is over. Harmless where there is none."""

    def over(self) -> None:
        """The connection is gone, or is about to be."""


class Gate(Protocol):
    """Judges connections."""

    def visit(self, address: str) -> Visit | None:
        """Let a connection from `address` in, or return None. Empty: it has none (a unix socket's peer)."""
