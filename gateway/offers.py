"""What tokens are taken: one challenge for each token type of each issuer, the same for everybody.

Each challenge names the issuer, and as its origin the one public authority of the gateway; its
contexts are empty, so that tokens can be fetched ahead. A token says by its type and by the digest of its
challenge which offer it answers, and by its key id under which of the issuer's keys it stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from gateway.issuers import IssuerKeys, TrustedKey
from gateway.token_types import Redemption, TokenType
from tacita.privacypass.auth import AnyChallenge, AnyToken, PrivateTokenChallenge
from tacita.privacypass.extensions import Extensions
from tacita.privacypass.types import arc

__all__ = ["Offer", "offers_of"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Tokens of the type `kind` from `issuer` are taken; `digest` is that of the challenge."""

    kind: TokenType
    issuer: IssuerKeys
    challenge: AnyChallenge
    digest: bytes

    @classmethod
    def of(cls, kind: TokenType, issuer: IssuerKeys, authority: str) -> Self:
        """Return the offer of the gateway at `authority`. Raises `ChallengeMalformed`."""
        challenge = kind.challenge(issuer.config.name, authority)
        return cls(kind, issuer, challenge, challenge.digest())

    @property
    def rate_limit(self) -> int | None:
        """How often a credential may be presented; None where tokens are no presentations."""
        return self.issuer.config.presentation_limit if self.kind.number == arc.TOKEN_TYPE else None

    def verify(self, token: AnyToken, extensions: Extensions | None, key: TrustedKey, now: float) -> bytes:
        """Return the 32 bytes by which a `SpentStore` knows `token`, which verifies with `key` at `now`.

        Raises:
            ForeignToken, TokenInvalid, ExtensionsMalformed: it does not.
        """
        limit = self.issuer.config.presentation_limit
        shown = Redemption(token, extensions, self.challenge, self.digest, limit, now)
        return self.kind.verify(shown, key.key)

    def presented(self) -> PrivateTokenChallenge:
        """Return the challenge as a refusal shows it, with the key that the issuer signs with now."""
        key = self.issuer.issuing(self.kind.number)
        return PrivateTokenChallenge(self.challenge, key.encoded if key else None, rate_limit=self.rate_limit)


def offers_of(issuers: Iterable[IssuerKeys], authority: str) -> tuple[Offer, ...]:
    """Return all offers, the preferred first. Raises as `Offer.of`."""
    return tuple(Offer.of(kind, issuer, authority) for issuer in issuers for kind in issuer.token_types)
