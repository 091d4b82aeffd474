"""What a store needs of Redis, be it one server or a cluster: script calls in, replies out.

A store is written once, on `Redis`. What differs is told by two questions about a key. Calls whose keys are
in one *group* may be joined in one script call: anything on a server, the same key in a cluster, where
a script may touch one slot, and a second key would be refused while the slot moves. Calls whose
keys are in one *lane* go to the same place: they are batched together (`tacita.service.lanes`), and those of
another lane do not wait for them, so that a node that hangs keeps nobody but its own callers.
"""

from collections.abc import AsyncIterator, Hashable, Sequence
from typing import Protocol

from tacita.service.redis.scripts import ScriptCall

__all__ = ["Redis"]


class Redis(Protocol):
    """A checked server (`RedisServer`) or cluster (`RedisCluster`). Make it with `open_redis`."""

    def group_of(self, key: bytes) -> bytes:
        """Return the same for keys that one script call may have together."""

    def lane_of(self, key: bytes) -> Hashable:
        """Return the same for keys whose calls should be batched together, as far as is known now."""

    async def run(self, calls: Sequence[ScriptCall]) -> list[object]:
        """Make `calls`; return their replies in order. One that failed is a `RedisUnavailable` in its place.

        The place of a call is that of its first key. Nothing is made twice: a call that failed may have
        been made, or not. Within one place calls are made in order, unless a cluster moves them.

        Raises `RedisUnavailable` where every call failed, and at the latest when the timeout is over.
        """

    def names(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        """Yield the names of keys like `pattern` (as SCAN, some perhaps twice), of all masters, in portions.

        Raises `RedisUnavailable`, in a cluster after the masters that could be asked.
        """

    async def check(self) -> None:
        """Look at the settings again. Raises `RedisUnavailable` where no call could be made now."""

    async def close(self) -> None:
        """Wait for what is under way and let go of connections; calling it again does nothing."""
