"""One call on a replay store, and the part that the implementations of `ReplayStore` share.

Answers are one character per call:

- `n`: new, and remembered;
- `s`: seen before;
- `f`: the relay's room is full, nothing was remembered;
- `d`: `expires` has come, nothing was remembered.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from gateway.errors import ReplayRoomFull, RequestReplayed
from tacita.errors import DecodeError
from tacita.privacypass.spent import StoreUnavailable
from tacita.service.lanes import Lanes

__all__ = ["FULL", "LATE", "NEW", "SEEN", "BatchedReplayStore", "Remember"]

NEW = "n"
SEEN = "s"
FULL = "f"
LATE = "d"

_LATEST = 2**40
_MOST_ROOM = 2**40
_BUCKET_SECONDS = 60


class Remember(NamedTuple):
    """One queued call: the arguments of `ReplayStore.remember`."""

    message: bytes
    relay: bytes
    expires: int
    room: int

    @property
    def bucket(self) -> int:
        """The UNIX time at which the message stops counting: a whole minute, so that counts are few."""
        return -(-self.expires // _BUCKET_SECONDS) * _BUCKET_SECONDS


class BatchedReplayStore(ABC):
    """Makes the calls of a `ReplayStore` in batches."""

    def __init__(self) -> None:
        self._batcher: Lanes[Remember, str | StoreUnavailable] = Lanes(
            self._run, StoreUnavailable, "replay cache", self._lane_of
        )

    @abstractmethod
    async def _run(self, calls: Sequence[Remember]) -> Sequence[str | StoreUnavailable]:
        """Make `calls`, durably and each atomically; return one answer character per call, or why not."""

    def _lane_of(self, _call: Remember) -> Hashable:
        """Return where the message is remembered: calls that go to one place travel together."""
        return None

    async def remember(self, message: bytes, *, relay: bytes, expires: int, room: int) -> None:
        """See `ReplayStore.remember`."""
        answer = await self._batcher.call(_checked(Remember(message, relay, expires, room)))
        if isinstance(answer, StoreUnavailable):
            raise answer
        if answer == SEEN:
            raise RequestReplayed("The request was served before; send it again in a new message.")
        if answer == FULL:
            raise ReplayRoomFull(
                "The relay has brought as many requests as the gateway remembers; try again later."
            )
        if answer == LATE:
            raise StoreUnavailable("The clocks of gateway and replay cache are far apart; set them right.")
        if answer != NEW:
            raise StoreUnavailable("The replay cache gave an answer that is none; look what it runs.")


def _checked(call: Remember) -> Remember:
    """Return `call` if every store can hold it: one that cannot must not spoil its batch."""
    if len(call.message) != 32 or len(call.relay) != 32:
        raise DecodeError("A message and a relay are remembered by 32 bytes each.")
    if not 0 < call.expires < _LATEST:
        raise DecodeError("The end of a message is a UNIX time in seconds.")
    if not 0 < call.room < _MOST_ROOM:
        raise DecodeError("The room of a relay is a number of messages.")
    return call
