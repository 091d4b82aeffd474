"""How tokens of each type are verified: one line a type, by the name that configurations use.

Tokens of types 0x0002 and 0xDA7A are verified with the issuer's public key, those of the others with
its private key only. What is remembered of a token that was spent is its nonce; of a
presentation of a credential, whose nonce proves nothing, it is the `spent_id`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tacita.privacypass import errors
from tacita.privacypass.auth import AnyChallenge, AnyToken
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.extensions import EXPIRATION, Extensions
from tacita.privacypass.types import arc, blind_rsa, partially_blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.arc_challenge import CredentialChallenge

__all__ = ["TOKEN_TYPES", "Key", "Redemption", "TokenType"]

Key: TypeAlias = Any
"""What a type's `verify` takes: a public key, with `key_id`, or a private one, with `public_key.key_id`."""


@dataclass(slots=True)
class Redemption:
    """What a client shows, read but not verified, and what it is shown for.

    `limit` is how often a credential may be presented, `now` a UNIX time.
    """

    token: AnyToken
    extensions: Extensions | None
    challenge: AnyChallenge
    digest: bytes
    limit: int
    now: float


@dataclass(frozen=True, slots=True)
class TokenType:
    """One token type.

    `load` reads a key of the issuer directory, `load_private` a file of the issuer's key folder, where
    that is needed. `verify` returns the 32 bytes by which a `SpentStore` knows the token. All raise
    errors of the tree.
    """

    name: str
    number: int
    load: Callable[[bytes], Any]
    verify: Callable[[Redemption, Key], bytes]
    load_private: Callable[[bytes], Any] | None = None

    def challenge(self, issuer_name: str, authority: str) -> AnyChallenge:
        """Return the one challenge for tokens of this type. Raises `ChallengeMalformed`."""
        base = TokenChallenge(self.number, issuer_name, b"", (authority,))
        return CredentialChallenge(base) if self.number == arc.TOKEN_TYPE else base


def _blind_rsa(shown: Redemption, key: Key) -> bytes:
    return blind_rsa.verify(_default(shown), key, shown.digest).nonce


def _partially_blind_rsa(shown: Redemption, key: Key) -> bytes:
    extensions = shown.extensions or Extensions()
    # Before the signature, which costs more: of these extensions it does not matter whether they are genuine.
    if [one.extension_type for one in extensions.extensions] != [EXPIRATION]:
        raise errors.TokenInvalid("A token of this type says when it expires, and nothing else.")
    extensions.require_unexpired(shown.now)
    return partially_blind_rsa.verify(_default(shown), key, shown.digest, extensions).nonce


def _voprf_p384(shown: Redemption, key: Key) -> bytes:
    return voprf_p384.verify(_default(shown), key, shown.digest).nonce


def _voprf_ristretto255(shown: Redemption, key: Key) -> bytes:
    return voprf_ristretto255.verify(_default(shown), key, shown.digest).nonce


def _arc(shown: Redemption, key: Key) -> bytes:
    token, challenge = shown.token, shown.challenge
    assert isinstance(token, arc.Token)
    assert isinstance(challenge, CredentialChallenge)
    return arc.verify(token, key, challenge, shown.limit).spent_id


def _default(shown: Redemption) -> Any:
    assert not isinstance(shown.token, arc.Token)
    return shown.token


TOKEN_TYPES: Mapping[str, TokenType] = {
    one.name: one
    for one in (
        TokenType("blind-rsa", blind_rsa.TOKEN_TYPE, blind_rsa.load_public_key, _blind_rsa),
        TokenType(
            "partially-blind-rsa",
            partially_blind_rsa.TOKEN_TYPE,
            partially_blind_rsa.load_public_key,
            _partially_blind_rsa,
        ),
        TokenType(
            "voprf-p384",
            voprf_p384.TOKEN_TYPE,
            voprf_p384.load_public_key,
            _voprf_p384,
            voprf_p384.load_private_key,
        ),
        TokenType(
            "voprf-ristretto255",
            voprf_ristretto255.TOKEN_TYPE,
            voprf_ristretto255.load_public_key,
            _voprf_ristretto255,
            voprf_ristretto255.load_private_key,
        ),
        TokenType("arc", arc.TOKEN_TYPE, arc.load_public_key, _arc, arc.load_private_key),
    )
}
