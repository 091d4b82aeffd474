"""The Token of token type 0xE5AC: one presentation of a credential (the ARC draft's Section 8.1)."""

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar, Self

from tacita.crypto.arc.presentation import is_length
from tacita.privacypass.errors import TokenMalformed
from tacita.privacypass.token import DIGEST_LENGTH, KEY_ID_LENGTH
from tacita.privacypass.types.arc_codepoints import TOKEN_TYPE
from tacita.wire.cursor import Cursor

__all__ = ["Presented", "Token"]

_TYPE = TOKEN_TYPE.to_bytes(2, "big")
_NONCE_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Token:
    """One presentation as it is redeemed (Section 8.1 of the draft). Decoding proves nothing; `verify` does.

    Raises `TokenMalformed` for a field of the wrong length. The nonce is what the client says: no proof
    is about it, so nothing may rest on it.
    """

    token_type: ClassVar[int] = TOKEN_TYPE

    presentation_nonce: int = field(repr=False)
    challenge_digest: bytes = field(repr=False)
    issuer_key_id: bytes = field(repr=False)
    presentation: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if (
            not 0 <= self.presentation_nonce < 1 << 8 * _NONCE_LENGTH
            or len(self.challenge_digest) != DIGEST_LENGTH
            or len(self.issuer_key_id) != KEY_ID_LENGTH
            or not is_length(len(self.presentation))
        ):
            raise TokenMalformed("A field of a token of type 0xE5AC has the wrong length.")

    @property
    def token_key_id(self) -> bytes:
        """The 32 bytes of `issuer_key_id`, under the name that they have in tokens of other types."""
        return self.issuer_key_id

    def encode(self) -> bytes:
        """Return the bytes that go into `Authorization`: 427, and 129 for each bit of the limit - 1."""
        nonce = self.presentation_nonce.to_bytes(_NONCE_LENGTH, "big")
        return _TYPE + nonce + self.challenge_digest + self.issuer_key_id + self.presentation

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a token.

        Raises:
            TokenMalformed: another type, or not as long as a token for any limit.
            DecodeError: truncated.
        """
        cursor = Cursor(data)
        if cursor.take(len(_TYPE)) != _TYPE:
            raise TokenMalformed("A token is not one of type 0xE5AC.")
        nonce = int.from_bytes(cursor.take(_NONCE_LENGTH), "big")
        return cls(nonce, cursor.take(DIGEST_LENGTH), cursor.take(KEY_ID_LENGTH), cursor.rest())


@dataclass(frozen=True, slots=True)
class Presented:
    """A verified token. It counts once its `spent_id` has been reserved."""

    token: Token = field(repr=False)
    tag: bytes = field(repr=False)

    @property
    def token_key_id(self) -> bytes:
        """The 32-byte id of the issuer key, under which the presentation is remembered."""
        return self.token.issuer_key_id

    @property
    def spent_id(self) -> bytes:
        """The 32 bytes by which a `SpentStore` knows the presentation: SHA-256 of the tag.

        The tag is all that two presentations of one credential with the same nonce and context share. In
        another context or under another key it is another one.
        """
        return hashlib.sha256(self.tag).digest()
