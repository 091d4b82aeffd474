"""What a gateway needs of the store that remembers spent tokens.

A token is *absent*, *reserved* or *committed*. `reserve` takes it from absent to
reserved, `commit` ends there, and `release` takes it back so that it can be reserved
again, at most `MAX_RELEASES` times in the life of the token. A crash between
reserve and commit leaves it reserved, which counts as spent: the safe side.

A `Reservation` names the one reserve that it came from, since the count of releases
only grows. A late `release` can therefore not undo somebody else's reservation, and
both `commit` and `release` may be called again after `StoreUnavailable`.

Any implementation MUST

- make `reserve` one atomic step: of two concurrent calls for one token, one raises;
- have the reservation on durable storage before `reserve` returns;
- raise `StoreUnavailable` when it cannot tell, never let a token through;
- keep the count of releases with the entry, so that it survives a restart;
- make `commit` final in whatever state the token is, and let `release` act on its own reservation only;
- forget a token only with its whole issuer key, and refuse what is presented for a key that has died.

`tests/contracts/spent_store.py` proves these of each implementation.
"""

from dataclasses import dataclass
from typing import Protocol

from tacita.errors import TacitaError

__all__ = ["MAX_RELEASES", "Reservation", "SpentStore", "StoreUnavailable", "TokenSpent"]

MAX_RELEASES = 2
"""How often a token survives a target that failed.

Two covers a restart behind a retry; more would be a free oracle.
"""


class TokenSpent(TacitaError):
    """The token was presented before."""

    status = 401
    problem_type = "about:blank"
    clause = "RFC 9577, Section 2.2"


class StoreUnavailable(TacitaError):
    """The spent store cannot answer; no token is accepted without it."""

    status = 503
    passing = True


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to commit or release one token.

    `releases` is how often it came back before, `expires` what `reserve` was given: together
    they are the whole entry, which a store that has lost it can write again.
    """

    token_key_id: bytes
    nonce: bytes
    releases: int
    expires: int


class SpentStore(Protocol):
    """Remembers which tokens were spent, partitioned by issuer key."""

    async def reserve(self, token_key_id: bytes, nonce: bytes, *, expires: int) -> Reservation:
        """Take the token whose 32-byte `nonce` was issued under the 32-byte `token_key_id`.

        `expires` is the UNIX time (seconds) at which the issuer key dies; the partition may be
        dropped whole after it. Give it as many seconds more as the clocks of the gateways and of
        the store may differ. Calls that disagree about it keep the partition until the latest.

        Raises:
            TokenSpent: the token is reserved or committed, or its key has died.
            StoreUnavailable: the store cannot tell, or has as many calls waiting as it takes.
            DecodeError: `nonce` or `token_key_id` has not 32 bytes, or `expires` is no UNIX time.
        """

    async def commit(self, reservation: Reservation) -> None:
        """Spend the token for good, whatever became of it since. Calling it again changes nothing.

        Raises `StoreUnavailable` (the token then stays reserved: spent).
        """

    async def release(self, reservation: Reservation) -> bool:
        """Give the token back; True if it can now be reserved again.

        False if it is spent: committed, given back `MAX_RELEASES` times before, reserved by
        somebody else since, or its key has died.

        Raises `StoreUnavailable` (the token then stays reserved: spent).
        """

    async def drop_expired(self, now: int) -> int:
        """Forget every partition whose key died at or before UNIX time `now`; return how many issuer keys.

        A server that drops partitions by its own clock may have left nothing to count.
        """

    async def check(self) -> None:
        """Raise `StoreUnavailable` unless the store can answer now (for readiness)."""

    async def close(self) -> None:
        """Finish what is under way and let go of files and connections."""
