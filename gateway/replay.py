"""That a message is served once: the cache that remembers messages, and when it is asked.

A message is known by its key id and `enc`, the encapsulated key, which no honest client uses twice
(RFC 9458, Section 6.5). Which messages are remembered:

- for a target that costs no token: all;
- for one that does: those whose token was given back. Any other is covered by its token, which the
  spent-token store knows. A token that was given back is shown again in a new message only, so the one
  that it came in is remembered before the token is free; where that fails the token stays spent.
  The cache is asked after the reservation, as only that tells whether a token was ever given back:
  nobody else pays for the question.

For how long: a message with a Date is refused by it after the window (`date_window_seconds`), one without
when its key is destroyed, and neither is remembered for longer. Clients of ours send no Date, since
a clock that is off would mark them. They cost more room, which the budget counts, and nothing else.

Room: each relay has `room` messages at a time of its own, whatever others bring. That is its budget of
requests per second times the longest time for which a message is remembered. Full is refused, as is
a store that cannot answer: never let a message through that cannot be remembered.

A `ReplayStore` MUST

- make `remember` one atomic step: of two concurrent calls for one message, whichever relays brought
  them, one raises;
- have the message on durable storage before `remember` returns;
- raise `StoreUnavailable` when it cannot tell;
- remember at least until `expires`, and refuse a message whose `expires` has come;
- let no relay have more than `room` messages remembered, and take none of one relay's room for another's.
  What has expired may count for a minute more. A store in several places may divide the room among
  them, so that it is full a little earlier, or rounded up.

`tests/contracts/replay_store.py` proves these of each implementation.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from gateway.config import KeysConfig
from gateway.errors import ReplayRoomFull, RequestReplayed
from gateway.keys import Shown
from gateway.observe import Observations
from tacita.privacypass.spent import StoreUnavailable

__all__ = ["ANONYMOUS", "Envelope", "Once", "ReplayStore", "Replays", "longest_seconds"]

ANONYMOUS = "anonymous"
"""The relay of all messages whose sender the front does not know."""

_LONGEST_GRACE = 3600
"""What `grace_seconds` may be at most: a message outlives no change of it."""

_CLOCK_SECONDS = 300
"""How much the clocks of gateways and store may differ."""


class ReplayStore(Protocol):
    """Remembers messages until each is refused anyway."""

    async def remember(self, message: bytes, *, relay: bytes, expires: int, room: int) -> None:
        """Remember `message` (32 bytes) until the UNIX time `expires`, in the room of `relay` (32 bytes).

        Raises:
            RequestReplayed: it is remembered already.
            ReplayRoomFull: `relay` has `room` messages remembered.
            StoreUnavailable: the store cannot tell, has too many calls waiting, or is past `expires`.
            DecodeError: an argument has another size, or `expires` is no UNIX time.
        """

    async def drop_expired(self, now: int) -> int:
        """Forget what expired at or before the UNIX time `now`; return how many messages.

        A server that forgets by its own clock may have left nothing to count.
        """

    async def check(self) -> None:
        """Raise `StoreUnavailable` unless the store can answer now (for readiness)."""

    async def close(self) -> None:
        """Finish what is under way and let go of files and connections."""


@dataclass(slots=True)
class Envelope:
    """What tells a message from every other, and which relay brought it, by a label of the front's."""

    key_id: int
    enc: bytes = field(repr=False)
    relay: str = field(default=ANONYMOUS, repr=False)

    @property
    def digest(self) -> bytes:
        """The 32 bytes that are remembered."""
        return hashlib.sha256(self.key_id.to_bytes(1, "big") + self.enc).digest()


class Replays:
    """Remembers messages in `store`, at most `room` at a time for each relay.

    `shown` gives the gateway's keys of the moment, `date_window` is how many seconds a Date may be off.
    """

    def __init__(
        self,
        store: ReplayStore,
        keys: KeysConfig,
        shown: Callable[[], Shown],
        observed: Observations,
        *,
        date_window: int,
        room: int,
    ) -> None:
        self._store = store
        self._period = keys.period_seconds
        self._shown = shown
        self._observed = observed
        self._date_window = date_window
        self._room = room

    def of(self, envelope: Envelope, date: float | None) -> "Once":
        """Return the means to have the message served once. `date` is the earliest Date that it has."""
        return Once(self, envelope, date)

    async def remember(self, envelope: Envelope, date: float | None) -> None:
        """Remember the message.

        Raises:
            RequestReplayed, ReplayRoomFull, StoreUnavailable: it must not be served.
        """
        expires = self._accepted_until(envelope.key_id)
        if date is not None:
            expires = min(expires, date + self._date_window)
        relay = _relay_digest(envelope.relay)
        try:
            await self._store.remember(
                envelope.digest, relay=relay, expires=math.ceil(expires) + _CLOCK_SECONDS, room=self._room
            )
        except RequestReplayed:
            self._observed.replay("replayed")
            raise
        except ReplayRoomFull:
            self._observed.replay("full")
            raise
        except StoreUnavailable:
            self._observed.replay("unavailable")
            raise
        self._observed.replay("remembered")

    def _accepted_until(self, key_id: int) -> float:
        """Return the UNIX time from which no message under `key_id` is opened any more, or a later one."""
        shown, period = self._shown(), self._period
        offered = [config.key_id for config in shown.published]
        present, following = offered[: len(offered) // 2], offered[len(offered) // 2 :]
        if key_id in present:
            epoch_end = shown.until
        elif key_id in following:
            epoch_end = shown.until + period
        else:
            epoch_end = shown.until - period
        return epoch_end + min(_LONGEST_GRACE, period)


class Once:
    """One message, to be served once."""

    __slots__ = ("_date", "_envelope", "_held", "_replays")

    def __init__(self, replays: Replays, envelope: Envelope, date: float | None) -> None:
        self._replays = replays
        self._envelope = envelope
        self._date = date
        self._held = False

    async def hold(self) -> None:
        """Have the message remembered, if this was not done before. Raises as `Replays.remember`."""
        if not self._held:
            await self._replays.remember(self._envelope, self._date)
            self._held = True


@lru_cache(maxsize=256)
def _relay_digest(relay: str) -> bytes:
    return hashlib.sha256(relay.encode()).digest()


def longest_seconds(keys: KeysConfig) -> int:
    """Return for how many seconds a message is remembered at most: sealed to a key on its first day."""
    return 2 * keys.period_seconds + _LONGEST_GRACE + _CLOCK_SECONDS
