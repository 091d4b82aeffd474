"""The part of `SpentStore` that the implementations share: three calls, made in batches.

A store that is in several places has a batch under way at each of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence

from gateway.stores.calls import COMMITTED, DEAD, FREE, SPENT, Call, Verb, checked
from tacita.privacypass.spent import MAX_RELEASES, Reservation, StoreUnavailable, TokenSpent
from tacita.service.lanes import Lanes

__all__ = ["BatchedStore"]

_ANSWERS: Mapping[Verb, frozenset[str]] = {
    Verb.RESERVE: frozenset({*map(str, range(MAX_RELEASES + 1)), SPENT, DEAD}),
    Verb.COMMIT: frozenset({COMMITTED, DEAD}),
    Verb.RELEASE: frozenset({FREE, COMMITTED, DEAD}),
}
"""Anything else comes from a server that does not run our script; nothing is granted by it."""


class BatchedStore(ABC):
    """Turns the three calls of a `SpentStore` into answers of one character; see `gateway.stores.calls`."""

    def __init__(self) -> None:
        self._batcher: Lanes[Call, str | StoreUnavailable] = Lanes(
            self._run, StoreUnavailable, "spent-token store", self._lane_of
        )

    @abstractmethod
    async def _run(self, calls: Sequence[Call]) -> Sequence[str | StoreUnavailable]:
        """Make `calls`, durably and each atomically; return one answer character per call, or why not."""

    def _lane_of(self, _call: Call) -> Hashable:
        """Return where the entry of the token is: calls that go to one place travel together."""
        return None

    async def reserve(self, token_key_id: bytes, nonce: bytes, *, expires: int) -> Reservation:
        """See `SpentStore.reserve`."""
        answer = await self._told(checked(Call(Verb.RESERVE, token_key_id, nonce, expires, 0)))
        if answer == SPENT:
            raise TokenSpent("The token was presented before; present another one.")
        if answer == DEAD:
            raise TokenSpent("The token's issuer key is past its end; present a token of a newer key.")
        return Reservation(token_key_id, nonce, int(answer), expires)

    async def commit(self, reservation: Reservation) -> None:
        """See `SpentStore.commit`."""
        await self._told(_call(Verb.COMMIT, reservation))

    async def release(self, reservation: Reservation) -> bool:
        """See `SpentStore.release`."""
        return await self._told(_call(Verb.RELEASE, reservation)) == FREE

    async def _told(self, call: Call) -> str:
        answer = await self._batcher.call(call)
        if isinstance(answer, StoreUnavailable):
            raise answer
        if answer not in _ANSWERS[call.verb]:
            raise StoreUnavailable("The spent-token store gave an answer that is none; look what it runs.")
        return answer


def _call(verb: Verb, held: Reservation) -> Call:
    return checked(Call(verb, held.token_key_id, held.nonce, held.expires, held.releases))
