"""Whether a request is paid for: the token is found, verified and reserved; later committed or released.

What comes out has the token stripped, so that nothing behind this point, the target
least of all, sees it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import IssuerKeysMissing, ReplayRoomFull, RequestReplayed, TokenMissing, TokenRefused
from gateway.issuers import TrustedKey
from gateway.observe import Observations
from gateway.offers import Offer
from gateway.replay import Once
from tacita.bhttp import Field, Fields
from tacita.errors import TacitaError
from tacita.privacypass import auth, errors
from tacita.privacypass.spent import Reservation, SpentStore, StoreUnavailable, TokenSpent

__all__ = ["Admission", "Admitted"]

_SCHEME = re.compile(auth.SCHEME.encode() + rb"(?![!#$%&'*+\-.^_`|~0-9A-Za-z])", re.IGNORECASE)
"""A field is a token by its scheme, whatever follows: nothing that looks like one reaches a target."""

_CLOCK_SECONDS = 300
"""How much the clocks of gateways and store may differ: a key's spent tokens are kept for so much longer."""


@dataclass(slots=True)
class Admitted:
    """A request that may be forwarded: its `fields` without the token, and what may become of the token."""

    fields: Fields = field(repr=False)
    _reservation: Reservation | None
    _once: Once
    _store: SpentStore
    _observed: Observations

    async def commit(self) -> None:
        """Spend the token for good.

        A store that fails here changes nothing: the token stays reserved, which is spent, and the
        person gets the answer that it paid for.
        """
        if self._reservation is None:
            return
        try:
            await self._store.commit(self._reservation)
        except StoreUnavailable:
            self._observed.token("burnt")
        else:
            self._observed.token("committed")

    async def release(self) -> None:
        """Give the token back, if it has not come back too often. A store that fails here burns it.

        From then on the message that it came in is good for nothing: whoever recorded it could
        show it before the token's owner does.
        """
        if self._reservation is None:
            return
        try:
            await self._once.hold()
        except (RequestReplayed, ReplayRoomFull, StoreUnavailable):
            self._observed.token("burnt")
        else:
            await self.put_back()

    async def put_back(self) -> None:
        """Give the token back whose message is remembered."""
        assert self._reservation is not None
        try:
            usable = await self._store.release(self._reservation)
        except StoreUnavailable:
            usable = False
        self._observed.token("released" if usable else "burnt")


class Admission:
    """Takes tokens for any one of `offers`. `clock` gives UNIX seconds."""

    def __init__(
        self,
        offers: Sequence[Offer],
        store: SpentStore,
        observed: Observations,
        clock: Callable[[], float],
    ) -> None:
        self._offers = offers
        self._by_challenge = {(offer.kind.number, offer.digest): offer for offer in offers}
        self._store = store
        self._observed = observed
        self._clock = clock

    async def admit(self, fields: Fields, once: Once, *, costs_token: bool) -> Admitted:
        """Reserve the token in `fields`, where the route costs one, and strip it in any case.

        Where it costs none, or the token was given back before, the message must be a new one.

        Raises:
            TokenMissing, TokenRefused: with the challenges in their fields.
            RequestReplayed, ReplayRoomFull: the message was served before, or cannot be remembered.
            StoreUnavailable, IssuerKeysMissing: no token can be taken at the moment.
        """
        tokens = _tokens(fields)
        rest = tuple([one for one in fields if one not in tokens]) if tokens else fields
        if not costs_token:
            await once.hold()
            return Admitted(rest, None, once, self._store, self._observed)
        try:
            if len(tokens) != 1:
                raise errors.TokenMissing("Send exactly one token with the request.")
            token_key_id, spent_id, key = self._verify(tokens[0][1])
            reservation = await self._store.reserve(
                token_key_id, spent_id, expires=key.expires + _CLOCK_SECONDS
            )
        except errors.TokenMissing as error:
            self._observed.token("missing")
            raise TokenMissing(str(error), self._www_authenticate()) from None
        except TokenSpent as error:
            self._observed.token("spent")
            raise TokenRefused(str(error), self._www_authenticate()) from None
        except (StoreUnavailable, IssuerKeysMissing):
            raise
        except TacitaError as error:
            self._observed.token("invalid")
            raise TokenRefused(str(error), self._www_authenticate()) from None
        self._observed.token("reserved")
        admitted = Admitted(rest, reservation, once, self._store, self._observed)
        if reservation.releases:
            await self._require_new(once, admitted)
        return admitted

    async def _require_new(self, once: Once, admitted: Admitted) -> None:
        """Refuse the message in which a token came back: only who recorded it shows it again."""
        try:
            await once.hold()
        except RequestReplayed:
            # The token is its owner's, who shows it in another message.
            await admitted.put_back()
            raise
        except TacitaError:
            self._observed.token("burnt")
            raise

    def _verify(self, credentials: bytes) -> tuple[bytes, bytes, TrustedKey]:
        """Return the ids of the token's key and of the token, and the key that it verifies with."""
        token, extensions = auth.parse_redemption(credentials)
        offer = self._by_challenge.get((token.token_type, token.challenge_digest))
        if offer is None:
            raise errors.ForeignToken("The token is for another challenge; get one for one of these.")
        key = offer.issuer.find(token.token_type, token.token_key_id)
        return token.token_key_id, offer.verify(token, extensions, key, self._clock()), key

    def _www_authenticate(self) -> str:
        return auth.format_www_authenticate([offer.presented() for offer in self._offers]).decode("ascii")


def _tokens(fields: Fields) -> list[Field]:
    return [one for one in fields if one[0] == b"authorization" and _SCHEME.match(one[1])]
