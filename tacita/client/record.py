"""What was really handed to each party, for those who want to look (`tacita ask --explain`).

Nothing here reaches a disk or a log. A recorder is made for one request, filled with the
bytes that were sent and received, and read in the same process.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from tacita.net.message import Field

__all__ = ["Party", "Recorder", "View"]


class Party(Enum):
    """Who gets to see something."""

    ISSUER = "issuer"
    RELAY = "relay"
    GATEWAY = "gateway"
    NODE = "node"


@dataclass(slots=True)
class View:
    """What one party was handed: the address it saw, the bytes sent to it, the bytes that came back by it."""

    address: str = ""
    sent: bytearray = field(default_factory=bytearray, repr=False)
    received: bytearray = field(default_factory=bytearray, repr=False)


class Recorder:
    """Collects one view for each party."""

    def __init__(self) -> None:
        self.views = {party: View() for party in Party}

    def sent(self, party: Party, address: str, fields: Iterable[Field], body: bytes) -> None:
        """Note that `party` was handed these header fields and these bytes, by `address` (empty: unseen)."""
        view = self.views[party]
        view.address = address
        for name, value in fields:
            view.sent += b"%b: %b\r\n" % (name, value)
        view.sent += body

    def received(self, party: Party, body: bytes) -> None:
        """Note bytes of the answer as they lay open to `party`."""
        self.views[party].received += body
