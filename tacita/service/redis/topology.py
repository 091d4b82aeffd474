"""Which node of a cluster serves which slot, as a node tells it (CLUSTER SLOTS).

A view may be old: the nodes themselves answer MOVED where it is, and what they say is entered.
"""

from collections.abc import Iterator

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from tacita.service.redis.address import Endpoint
from tacita.service.redis.errors import RedisUnavailable

__all__ = ["Topology", "key_slot"]


class Topology:
    """The present view. Made of the reply to CLUSTER SLOTS that the node at `asked` gave."""

    def __init__(self, reply: object, asked: Endpoint) -> None:
        """Read `reply`. Raises `RedisError` where it is none, and `RedisUnavailable` where nobody serves."""
        self._owners: list[Endpoint | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, owner in _ranges(reply, asked):
            self._owners[first : last + 1] = [owner] * (last + 1 - first)
        self.masters: tuple[Endpoint, ...] = tuple(dict.fromkeys(filter(None, self._owners)))
        """The nodes that serve slots, in the order of their first one."""
        if not self.masters:
            raise RedisUnavailable("The Redis cluster serves no slot; assign them with redis-cli.")

    def owner(self, slot: int) -> Endpoint | None:
        """Return who serves `slot`, if anybody does."""
        return self._owners[slot]

    def moved(self, slot: int, owner: Endpoint) -> None:
        """Enter what a node has answered."""
        if 0 <= slot < len(self._owners):
            self._owners[slot] = owner


def _ranges(reply: object, asked: Endpoint) -> Iterator[tuple[int, int, Endpoint]]:
    if not isinstance(reply, list):
        raise RedisError("not the reply to CLUSTER SLOTS")
    for entry in reply:
        match entry:
            case [int(first), int(last), [host, int(port), *more], *_] if (
                0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS
            ):
                yield first, last, Endpoint(_host(host, more) or asked.host, port)
            case _:
                raise RedisError("not the reply to CLUSTER SLOTS")


def _host(preferred: object, more: list[object]) -> str:
    """Return where a node wants to be reached, or nothing: at the place that was asked."""
    if preferred == b"?":
        # It should have a name, but nobody gave it one. Then its metadata have the address.
        match more:
            case [_, [*pairs], *_]:
                preferred = dict(zip(pairs[::2], pairs[1::2], strict=False)).get(b"ip")
            case _:
                preferred = None
    return preferred.decode("ascii", "replace") if isinstance(preferred, bytes) else ""
