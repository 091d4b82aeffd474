"""Whether a request is paid for: the token is found, verified and reserved; later committed or released.

What comes out has the token stripped, so that nothing behind this point, the target
least of all, sees it.
"""

import re
from dataclasses import dataclass, field

from gateway.errors import IssuerKeysMissing, TokenMissing, TokenRefused
from gateway.issuers import IssuerKeys, TrustedKey
from gateway.observe import Observations
from tacita.bhttp import Field, Fields
from tacita.errors import TacitaError
from tacita.privacypass import auth, errors
from tacita.privacypass.auth import PrivateTokenChallenge
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.spent import Reservation, SpentStore, StoreUnavailable, TokenSpent
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

__all__ = ["Admission", "Admitted"]

_SCHEME = re.compile(auth.SCHEME.encode() + rb"(?![!#$%&'*+\-.^_`|~0-9A-Za-z])", re.IGNORECASE)
"""A field is a token by its scheme, whatever follows: nothing that looks like one reaches a target."""

_CLOCK_SECONDS = 300
"""How much the clocks of gateways and store may differ: a key's spent tokens are kept for so much longer."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be forwarded: its `fields` without the token, and what may become of the token."""

    fields: Fields = field(repr=False)
    _reservation: Reservation | None
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
        """Give the token back, if it has not come back too often. A store that fails here burns it."""
        if self._reservation is None:
            return
        try:
            usable = await self._store.release(self._reservation)
        except StoreUnavailable:
            usable = False
        self._observed.token("released" if usable else "burnt")


class Admission:
    """Takes tokens for one challenge from one issuer."""

    def __init__(
        self,
        challenge: TokenChallenge,
        issuer: IssuerKeys,
        store: SpentStore,
        observed: Observations,
    ) -> None:
        self._challenge = challenge
        self._digest = challenge.digest()
        self._issuer = issuer
        self._store = store
        self._observed = observed

    async def admit(self, fields: Fields, *, costs_token: bool) -> Admitted:
        """Reserve the token in `fields`, where the route costs one, and strip it in any case.

        Raises:
            TokenMissing, TokenRefused: with the challenge in their fields.
            StoreUnavailable, IssuerKeysMissing: no token can be taken at the moment.
        """
        tokens = [one for one in fields if _is_token(one)]
        rest = tuple(one for one in fields if not _is_token(one))
        if not costs_token:
            return Admitted(rest, None, self._store, self._observed)
        try:
            if len(tokens) != 1:
                raise errors.TokenMissing("Send exactly one token with the request.")
            token, key = self._verify(tokens[0][1])
            reservation = await self._store.reserve(
                token.token_key_id, token.nonce, expires=key.expires + _CLOCK_SECONDS
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
        return Admitted(rest, reservation, self._store, self._observed)

    def _verify(self, credentials: bytes) -> tuple[Token, TrustedKey]:
        token = auth.parse_authorization(credentials)
        if token.token_type != blind_rsa.TOKEN_TYPE:
            raise errors.ForeignToken("The token is of a type that this gateway does not take.")
        key = self._issuer.find(token.token_key_id)
        return blind_rsa.verify(token, key.key, self._digest), key

    def _www_authenticate(self) -> str:
        key = self._issuer.issuing()
        challenge = PrivateTokenChallenge(self._challenge, key.encoded if key else None)
        return auth.format_www_authenticate([challenge]).decode("ascii")


def _is_token(one: Field) -> bool:
    name, value = one
    return name == b"authorization" and _SCHEME.match(value) is not None
