"""The TokenChallenge of token type 0xE5AC: with a credential context (the ARC draft's Section 6).

The credential context binds the credential, as the redemption context binds what is presented: a new
one makes clients fetch a new credential, a new redemption context starts their count afresh.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

from tacita.privacypass.challenge import CONTEXT_LENGTH, TokenChallenge
from tacita.privacypass.errors import ChallengeMalformed
from tacita.privacypass.types.arc_codepoints import TOKEN_TYPE
from tacita.wire.cursor import Cursor, opaque8, opaque16

__all__ = ["CredentialChallenge"]


@dataclass(frozen=True, slots=True)
class CredentialChallenge:
    """What an origin wants a credential presented for.

    `base` has the fields that all challenges have; its type is 0xE5AC. The `credential_context` is empty or
    32 bytes. Raises `ChallengeMalformed` for anything else.
    """

    base: TokenChallenge
    credential_context: bytes = b""

    def __post_init__(self) -> None:
        if self.base.token_type != TOKEN_TYPE:
            raise ChallengeMalformed("A challenge with a credential context is not one of type 0xE5AC.")
        if len(self.credential_context) not in (0, CONTEXT_LENGTH):
            raise ChallengeMalformed(
                "The credential context of a challenge is neither empty nor 32 bytes long."
            )

    @property
    def token_type(self) -> int:
        """0xE5AC."""
        return self.base.token_type

    def encode(self) -> bytes:
        """Return the bytes that tokens are bound to."""
        return self.base.encode() + opaque8(self.credential_context)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a challenge.

        Raises:
            ChallengeMalformed: another type, or names or contexts that are not allowed.
            DecodeError: truncated, or something follows.
        """
        cursor = Cursor(data)
        cursor.u16()
        cursor.opaque16()
        cursor.opaque8()
        cursor.opaque16()
        end = len(data) - cursor.remaining
        credential_context = cursor.opaque8()
        cursor.finish()
        return cls(TokenChallenge.decode(data[:end]), credential_context)

    def digest(self) -> bytes:
        """Return the 32-byte `challenge_digest` of tokens for this challenge."""
        return hashlib.sha256(self.encode()).digest()

    def request_context(self, issuer_key_id: bytes) -> bytes:
        """Return what credentials of the key are bound to (Section 7.1 of the draft)."""
        return self._context(self.credential_context, issuer_key_id)

    def presentation_context(self, issuer_key_id: bytes) -> bytes:
        """Return what presentations are bound to, and counted by (Section 8.1 of the draft)."""
        return self._context(self.base.redemption_context, issuer_key_id)

    def _context(self, own: bytes, issuer_key_id: bytes) -> bytes:
        issuer_name = self.base.issuer_name.encode("ascii")
        origin_info = ",".join(self.base.origin_info).encode("ascii")
        return opaque16(issuer_name) + opaque16(origin_info) + opaque16(own) + issuer_key_id
