"""What a gateway needs of the store that remembers spent tokens.

A token is *absent*, *reserved* or *committed*. `reserve` takes it from absent to
reserved, `commit` ends there, and `release` takes it back so that it can be reserved
again, at most `MAX_RELEASES` times in the life of the token. A crash between
reserve and commit leaves it reserved, which counts as spent: the safe side.

Any implementation MUST

- make `reserve` one atomic step: of two concurrent calls for one token, one raises;
- have the reservation on durable storage before `reserve` returns;
- raise `StoreUnavailable` when it cannot tell, never let a token through;
- keep the count of releases with the entry, so that it survives a restart;
- forget a token only with its whole issuer key.

`tests/contracts/spent_store.py` proves these of each implementation.
"""

from dataclasses import dataclass
from typing import Protocol

from tacita.errors import TacitaError

__all__ = ["MAX_RELEASES", "Reservation", "SpentStore", "StoreUnavailable", "TokenSpent"]

MAX_RELEASES = 2
"""How often a token survives a target that failed. Two covers a restart behind a retry; more would be a free oracle."""


class TokenSpent(TacitaError):
    """The token was presented before."""

    status = 401
    problem_type = "about:blank"
    clause = "RFC 9577, Section 2.2"


class StoreUnavailable(TacitaError):
    """The spent store cannot answer; no token is accepted without it."""

    status = 503


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to commit or release one token. `releases` is how often it came back before."""

    token_key_id: bytes
    nonce: bytes
    releases: int


class SpentStore(Protocol):
    """Remembers which tokens were spent, partitioned by issuer key."""

    async def reserve(self, token_key_id: bytes, nonce: bytes, *, expires: int) -> Reservation:
        """Take the token whose 32-byte `nonce` was issued under the 32-byte `token_key_id`.

        `expires` is the UNIX time (seconds) at which the issuer key dies; the partition may be
        dropped whole after it. Raises `TokenSpent` if the token is reserved or committed, or was
        released `MAX_RELEASES` times and reserved again since; `StoreUnavailable`.
        """

    async def commit(self, reservation: Reservation) -> None:
        """Spend the token for good. Raises `StoreUnavailable` (the token then stays reserved: spent)."""

    async def release(self, reservation: Reservation) -> bool:
        """Give the token back; False when it has been given back `MAX_RELEASES` times (it is then spent).

        Raises `StoreUnavailable` (the token then stays reserved: spent).
        """

    async def drop_expired(self, now: int) -> int:
        """Forget every partition whose key died at or before UNIX time `now`; return how many."""

    async def check(self) -> None:
        """Raise `StoreUnavailable` unless the store can answer now (for readiness)."""

    async def close(self) -> None:
        """Finish what is under way and let go of files and connections."""
