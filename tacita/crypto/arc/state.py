"""How often a client has shown a credential, by context (the draft's Section 4.3.1).

There is one state for each credential. To restore an old copy, or to have two, is to present a
nonce twice: the issuer could then link the two presentations, and would refuse the second.
"""

import hashlib
from threading import Lock
from typing import Self

from tacita.crypto.arc.errors import LimitReached, StateMalformed
from tacita.crypto.arc.range_proof import MAX_LIMIT, bases
from tacita.wire.cursor import Cursor

__all__ = ["PresentationState"]

_DIGEST_LENGTH = 32
_COUNT_LENGTH = 4


class PresentationState:
    """Gives out each nonce of a context once, in ascending order; from any thread.

    Contexts are kept as their SHA-256. The count of a context is the same whatever limit is asked with,
    since tags do not depend on the limit.
    """

    __slots__ = ("_lock", "_next")

    def __init__(self) -> None:
        """Begin with a credential that was never presented."""
        self._next: dict[bytes, int] = {}
        self._lock = Lock()

    def take(self, presentation_context: bytes, limit: int) -> int:
        """Return the next nonce below `limit`, and never again.

        Store `encode()` before the presentation leaves; a nonce that was taken and not shown is lost.

        Raises:
            LimitReached: all were given out.
            LimitOutOfRange: the limit is not from 2 to 2^32 - 1.
        """
        bases(limit)
        digest = hashlib.sha256(presentation_context).digest()
        with self._lock:
            nonce = self._next.get(digest, 0)
            if nonce >= limit:
                raise LimitReached(
                    "The credential was presented as often as allowed; get one for a new context."
                )
            self._next[digest] = nonce + 1
            return nonce

    def remaining(self, presentation_context: bytes, limit: int) -> int:
        """Return how many nonces below `limit` are left for the context."""
        with self._lock:
            used = self._next.get(hashlib.sha256(presentation_context).digest(), 0)
        return max(0, limit - used)

    def encode(self) -> bytes:
        """Return 36 bytes for each context, in a form of our own."""
        with self._lock:
            entries = sorted(self._next.items())
        return b"".join(digest + count.to_bytes(_COUNT_LENGTH, "big") for digest, count in entries)

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
            count = int.from_bytes(cursor.take(_COUNT_LENGTH), "big")
            if digest <= previous or not 1 <= count <= MAX_LIMIT:
                raise StateMalformed("A presentation state is damaged; get a new credential.")
            state._next[digest] = count
            previous = digest
        return state
