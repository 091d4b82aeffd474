"""Which nonces of a credential a client has shown, by context (the draft's Section 4.3.1).

There is one state for each credential. To restore an old copy, or to have two, may present a
nonce twice: the issuer could then link the two presentations, and would refuse the second.

The draft counts nonces up. Here the next one is any that was not used, at random, since the tokens of
the Privacy Pass draft show the nonce: a row of ascending numbers would link what nothing else can.
"""

import hashlib
import os
from bisect import bisect_left, insort
from itertools import pairwise
from threading import Lock
from typing import Self

from tacita.crypto.arc.errors import LimitReached, StateMalformed
from tacita.crypto.arc.range_proof import MAX_LIMIT, bases
from tacita.crypto.groups.group import RandomBytes
from tacita.wire.cursor import Cursor

__all__ = ["PresentationState"]

_DIGEST_LENGTH = 32
_NUMBER_LENGTH = 4
_DRAWN_LENGTH = 32  # so many bytes, reduced, are as good as uniform


class PresentationState:
    """Gives out each nonce of a context once, in random order; from any thread.

    Contexts are kept as their SHA-256. A nonce that was given out stays so whatever limit is asked with,
    since tags do not depend on the limit.
    """

    __slots__ = ("_lock", "_used")

    def __init__(self) -> None:
        """Begin with a credential that was never presented."""
        self._used: dict[bytes, list[int]] = {}
        self._lock = Lock()

    def take(self, presentation_context: bytes, limit: int, *, rng: RandomBytes = os.urandom) -> int:
        """Return a nonce below `limit` that was never returned for the context. Draws 32 bytes.

        Store `encode()` before the presentation leaves; a nonce that was taken and not shown is lost.

        Raises:
            LimitReached: all were given out.
            LimitOutOfRange: the limit is not from 2 to 2^32 - 1.
        """
        bases(limit)
        digest = hashlib.sha256(presentation_context).digest()
        with self._lock:
            used = self._used.get(digest, [])
            below = bisect_left(used, limit)
            if below >= limit:
                raise LimitReached(
                    "The credential was presented as often as allowed; get one for a new context."
                )
            nonce = int.from_bytes(rng(_DRAWN_LENGTH), "big") % (limit - below)
            for each in used:  # ascending: what was a place among the unused becomes a number
                if each > nonce:
                    break
                nonce += 1
            insort(self._used.setdefault(digest, []), nonce)
            return nonce

    def remaining(self, presentation_context: bytes, limit: int) -> int:
        """Return how many nonces below `limit` are left for the context."""
        with self._lock:
            used = self._used.get(hashlib.sha256(presentation_context).digest(), [])
            return max(0, limit - bisect_left(used, limit))

    def encode(self) -> bytes:
        """Return 36 bytes for each context and 4 for each of its nonces, in a form of our own."""
        with self._lock:
            entries = sorted((digest, tuple(used)) for digest, used in self._used.items())
        return b"".join(digest + b"".join(map(_number, (len(used), *used))) for digest, used in entries)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote.

        Raises:
            StateMalformed: it did not write that.
            DecodeError: truncated.
        """
        state, cursor, previous = cls(), Cursor(data), b""
        while cursor.remaining:
            digest = cursor.take(_DIGEST_LENGTH)
            count = int.from_bytes(cursor.take(_NUMBER_LENGTH), "big")
            numbers = cursor.take(count * _NUMBER_LENGTH)
            places = range(0, len(numbers), _NUMBER_LENGTH)
            used = [int.from_bytes(numbers[place : place + _NUMBER_LENGTH], "big") for place in places]
            ascending = all(one < other for one, other in pairwise(used))
            if digest <= previous or not used or not ascending or used[-1] >= MAX_LIMIT:
                raise StateMalformed("A presentation state is damaged; get a new credential.")
            state._used[digest] = used
            previous = digest
        return state


def _number(value: int) -> bytes:
    return value.to_bytes(_NUMBER_LENGTH, "big")
