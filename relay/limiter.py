"""How much one address may ask for, without a list of addresses.

An address becomes a network (IPv4 whole, IPv6 by its first 64 bits or fewer, since one person holds
all of those), the network a keyed hash, and the hash two places in a table of fixed size. The key is made
here, is written nowhere, and turns over; with it goes the whole table. So what is in memory at any time are
some thousand moments that belong to nobody in particular, and nothing can be asked who was there. A
`Ticket` holds the network of whoever is here at the moment, for as long as a connection does.

Two networks that share a place share what it has left. A network is refused only when both of its places
are empty: with a thousand refused networks in a table of 65,536 that happens to about one innocent in a
thousand, until the next key.
"""

import os
import socket
from array import array
from collections.abc import Callable
from hashlib import blake2b

__all__ = ["Limiter", "Ticket", "network_of"]

_PLACES = 1 << 16

_MAPPED = bytes(10) + b"\xff\xff"
"""Before an IPv4 address that a socket of both kinds says (RFC 4291, section 2.5.5.2)."""

_ROUNDING = 1e-9
"""Seconds by which sums of intervals may be off."""


class Limiter:
    """A token bucket for each network: `burst` requests at once, `per_second` in the long run.

    `concurrent` bounds how many are under way at a time. `prefix` is how much of an IPv6 address is one
    network (64, or 56 where providers give households that much). `key_seconds` is how long a key lives.
    `clock` gives seconds that never go back.

    In place of a level and its moment each place has one number: when it will be full again.
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
        self._interval = 1.0 / per_second
        self._longest = burst * self._interval
        self._bearable = (burst - 1) * self._interval + _ROUNDING
        self._concurrent = concurrent
        self._clock = clock
        self._prefix = prefix
        self._key_seconds = key_seconds
        self._random = random
        self._epoch = 0
        self._turn_over(clock())

    def ticket(self, network: bytes) -> "Ticket":
        """Return the ticket of a comer from `network` (`network_of`), who has not entered yet."""
        return Ticket(self, network)

    def enter(self, address: str) -> "Ticket | None":
        """Let one request from the IP `address` in, or return None where its network has had its share."""
        ticket = Ticket(self, network_of(address, self._prefix))
        return ticket if ticket.enter() else None

    def _places_of(self, network: bytes) -> tuple[int, int]:
        digest = blake2b(network, key=self._key, digest_size=8).digest()
        first = int.from_bytes(digest[:4]) % _PLACES
        # Never the same place twice: both counts of a ticket have to be its own.
        second = (first + 1 + int.from_bytes(digest[4:]) % (_PLACES - 1)) % _PLACES
        return first, second

    def _turn_over(self, now: float) -> None:
        self._key = self._random(32)
        self._epoch += 1
        self._until = now + self._key_seconds
        # Requests that are still under way end in the old table, which their tickets keep.
        self._under_way = array("l", bytes(array("l").itemsize * _PLACES))
        self._full_at = array("d", [now]) * _PLACES


class Ticket:
    """What a comer goes in with, as often as it is let, one request at a time."""

    __slots__ = ("_epoch", "_first", "_limiter", "_network", "_second", "_under_way")

    def __init__(self, limiter: Limiter, network: bytes) -> None:
        self._limiter = limiter
        self._network = network
        self._epoch = self._first = self._second = 0
        self._under_way: array[int] | None = None

    def enter(self) -> bool:
        """Let a request in, or say that the network has had its share."""
        # Written out, without a call that it can do without: it stands before every request.
        limiter = self._limiter
        now = limiter._clock()
        if now >= limiter._until:
            limiter._turn_over(now)
        if self._epoch != limiter._epoch:
            self._epoch = limiter._epoch
            self._first, self._second = limiter._places_of(self._network)
        first, second = self._first, self._second
        under_way, full_at = limiter._under_way, limiter._full_at
        if under_way[first] >= limiter._concurrent <= under_way[second]:
            return False
        one, other = full_at[first], full_at[second]
        if (one if one < other else other) - now > limiter._bearable:
            return False
        # A place that another network has emptied stays empty, and owes nothing for us.
        latest = now + limiter._longest
        one = (one if one > now else now) + limiter._interval
        other = (other if other > now else now) + limiter._interval
        full_at[first] = one if one < latest else latest
        full_at[second] = other if other < latest else latest
        under_way[first] += 1
        under_way[second] += 1
        self._under_way = under_way
        return True

    def done(self) -> None:
        """Count the request as over, in the table of the key under which it came; if there is one."""
        under_way = self._under_way
        if under_way is not None:
            self._under_way = None
            under_way[self._first] -= 1
            under_way[self._second] -= 1


def network_of(address: str, prefix: int = 64) -> bytes:
    """Return the network of an IP `address`, `prefix` bits of it where that is of version 6.

    What is no IP address counts as one network.
    """
    # The parser of the C library, since behind fronts every request has an address to be read.
    try:
        if ":" not in address:
            return socket.inet_pton(socket.AF_INET, address)
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return b"other"
    if packed.startswith(_MAPPED):
        return packed[12:]
    return (int.from_bytes(packed) >> (128 - prefix)).to_bytes(16)
