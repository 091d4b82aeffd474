"""How much one address may ask for, without a list of addresses.

An address becomes a network (IPv4 whole, IPv6 by its first 64 bits or fewer, since one person holds
all of those), the network a keyed hash, and the hash two places in a table of fixed size. The key is made
here, is written nowhere, and turns over; with it goes the whole table. So what is in memory at any time are
some thousand levels that belong to nobody in particular, and nothing can be asked who was there.

Two networks that share a place share its level. A network is refused only when both of its places are
empty: with a thousand refused networks in a table of 65,536 that happens to about one innocent in a
thousand, until the next key.
"""

import ipaddress
import os
from array import array
from collections.abc import Callable
from hashlib import blake2b

__all__ = ["Limiter", "Ticket"]

_PLACES = 1 << 16


class Ticket:
    """One request that was let in; `done` when it is over."""

    __slots__ = ("_places", "_under_way")

    def __init__(self, under_way: "array[int]", places: tuple[int, int]) -> None:
        self._under_way = under_way
        self._places = places

    def done(self) -> None:
        """Count the request as over, in the table of the key that it came under."""
        for place in self._places:
            self._under_way[place] -= 1


class Limiter:
    """A token bucket for each network: `burst` requests at once, `per_second` in the long run.

    `concurrent` bounds how many are under way at a time. `prefix` is how much of an IPv6 address is one
    network (64, or 56 where providers give households that much). `key_seconds` is how long a key lives.
    `clock` gives seconds that never go back.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        concurrent: int,
        *,
        clock: Callable[[], float],
        prefix: int = 64,
        key_seconds: float = 3600.0,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._concurrent = concurrent
        self._clock = clock
        self._prefix = prefix
        self._key_seconds = key_seconds
        self._random = random
        self._turn_over(clock())

    def enter(self, address: str) -> Ticket | None:
        """Let a request from the IP `address` in, or return None where its network has had its share.

        What is no IP address (a unix socket's peer, say) counts as one network.
        """
        now = self._clock()
        if now >= self._until:
            self._turn_over(now)
        first, second = places = self._places_of(address)
        under_way = self._under_way
        if min(under_way[first], under_way[second]) >= self._concurrent:
            return None
        levels = self._level(first, now), self._level(second, now)
        if max(levels) < 1.0:
            return None
        for place, level in zip(places, levels, strict=True):
            self._levels[place] = max(0.0, level - 1.0)
            self._moments[place] = now - self._since
            under_way[place] += 1
        return Ticket(under_way, places)

    def _level(self, place: int, now: float) -> float:
        passed = now - self._since - self._moments[place]
        return min(self._burst, self._levels[place] + passed * self._per_second)

    def _places_of(self, address: str) -> tuple[int, int]:
        digest = blake2b(self._network(address), key=self._key, digest_size=8).digest()
        first = int.from_bytes(digest[:4]) % _PLACES
        # Never the same place twice: both counts of a ticket have to be its own.
        second = (first + 1 + int.from_bytes(digest[4:]) % (_PLACES - 1)) % _PLACES
        return first, second

    def _network(self, address: str) -> bytes:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return b"other"
        if isinstance(parsed, ipaddress.IPv6Address):
            if parsed.ipv4_mapped is None:
                return (int(parsed) >> (128 - self._prefix)).to_bytes(16)
            parsed = parsed.ipv4_mapped
        return parsed.packed

    def _turn_over(self, now: float) -> None:
        self._key = self._random(32)
        self._since = now
        self._until = now + self._key_seconds
        # Requests that are still under way end in the old table, which their tickets keep.
        self._under_way = array("l", bytes(array("l").itemsize * _PLACES))
        self._levels = array("d", [self._burst]) * _PLACES
        self._moments = array("d", bytes(8 * _PLACES))
