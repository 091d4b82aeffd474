"""The part of `SpentStore` that the implementations share: three calls, made in batches."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from gateway.stores.calls import DEAD, FREE, SPENT, Call, Verb, checked
from tacita.privacypass.spent import Reservation, StoreUnavailable, TokenSpent
from tacita.service.batching import Batcher

__all__ = ["BatchedStore"]


class BatchedStore(ABC):
    """Turns the three calls of a `SpentStore` into answers of one character; see `gateway.stores.calls`."""

    def __init__(self) -> None:
        self._batcher: Batcher[Call, str] = Batcher(self._run, StoreUnavailable, "spent-token store")

    @abstractmethod
    async def _run(self, calls: Sequence[Call]) -> str:
        """Make `calls`, durably and each atomically; return one answer character per call."""

    async def reserve(self, token_key_id: bytes, nonce: bytes, *, expires: int) -> Reservation:
        """See `SpentStore.reserve`."""
        answer = await self._batcher.call(checked(Call(Verb.RESERVE, token_key_id, nonce, expires, 0)))
        if answer == SPENT:
            raise TokenSpent("The token was presented before; present another one.")
        if answer == DEAD:
            raise TokenSpent("The token's issuer key is past its end; present a token of a newer key.")
        return Reservation(token_key_id, nonce, int(answer), expires)

    async def commit(self, reservation: Reservation) -> None:
        """See `SpentStore.commit`."""
        await self._batcher.call(_call(Verb.COMMIT, reservation))

    async def release(self, reservation: Reservation) -> bool:
        """See `SpentStore.release`."""
        return await self._batcher.call(_call(Verb.RELEASE, reservation)) == FREE


def _call(verb: Verb, held: Reservation) -> Call:
    return checked(Call(verb, held.token_key_id, held.nonce, held.expires, held.releases))
