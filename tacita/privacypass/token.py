"""Token: what a client redeems (RFC 9577, Section 2.2.1).

All token types here share one structure and differ in the length of its authenticator.
Decoding proves nothing: a token counts only as returned by the `verify` of its type.
"""

from dataclasses import dataclass, field
from typing import Self

from tacita.privacypass.errors import TokenMalformed
from tacita.wire.cursor import Cursor

__all__ = [
    "AUTHENTICATOR_LENGTHS",
    "DIGEST_LENGTH",
    "KEY_ID_LENGTH",
    "MESSAGE_LENGTHS",
    "NONCE_LENGTH",
    "Token",
    "authenticator_input",
]

NONCE_LENGTH = 32
DIGEST_LENGTH = 32
KEY_ID_LENGTH = 32

AUTHENTICATOR_LENGTHS = {
    0x0001: 48,  # VOPRF (P-384, SHA-384), RFC 9578, Section 8.2.1
    0x0002: 256,  # Blind RSA (2048-bit), RFC 9578, Section 8.2.2
    0x0005: 64,  # VOPRF (ristretto255, SHA-512), draft-ietf-privacypass-batched-tokens-09, Section 8.1
    0xDA7A: 256,  # Partially Blind RSA (2048-bit), draft-ietf-privacypass-public-metadata-issuance-03
}
"""Nk by token type: types that are in the registry with the default structure and that we can tell apart."""

MESSAGE_LENGTHS = {
    0x0001: (2 + 1 + 49, 49 + 2 * 48),  # RFC 9578, Sections 5.1 and 5.2
    0x0002: (2 + 1 + 256, 256),  # RFC 9578, Sections 6.1 and 6.2
    0x0005: (2 + 1 + 32, 32 + 2 * 32),  # as 0x0001, with the lengths of the other group
}
"""Bytes of TokenRequest (its type included) and of TokenResponse (which has no type of its own)."""


def authenticator_input(token_type: int, nonce: bytes, challenge_digest: bytes, token_key_id: bytes) -> bytes:
    """Return the bytes that an authenticator is computed over (RFC 9577, Section 2.2.3)."""
    return token_type.to_bytes(2, "big") + nonce + challenge_digest + token_key_id


@dataclass(frozen=True, slots=True)
class Token:
    """One token. It is money: its fields do not print.

    Raises `TokenMalformed` for an unknown type or a field of the wrong length.
    """

    token_type: int
    nonce: bytes = field(repr=False)
    challenge_digest: bytes = field(repr=False)
    token_key_id: bytes = field(repr=False)
    authenticator: bytes = field(repr=False)

    def __post_init__(self) -> None:
        length = AUTHENTICATOR_LENGTHS.get(self.token_type)
        if length is None:
            raise TokenMalformed(
                "A token is of a type that is not supported here; use one of the challenge's."
            )
        lengths = (
            len(self.nonce),
            len(self.challenge_digest),
            len(self.token_key_id),
            len(self.authenticator),
        )
        if lengths != (NONCE_LENGTH, DIGEST_LENGTH, KEY_ID_LENGTH, length):
            raise TokenMalformed("A field of a token has the wrong length for its type.")

    def encode(self) -> bytes:
        """Return the bytes that go into `Authorization`."""
        return self.authenticator_input() + self.authenticator

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a token.

        Raises:
            TokenMalformed: unknown type, or not exactly as long as its type is.
            DecodeError: truncated.
        """
        cursor = Cursor(data)
        return cls(
            cursor.u16(),
            cursor.take(NONCE_LENGTH),
            cursor.take(DIGEST_LENGTH),
            cursor.take(KEY_ID_LENGTH),
            cursor.rest(),
        )

    def authenticator_input(self) -> bytes:
        """Return the part that the authenticator is computed over."""
        return authenticator_input(self.token_type, self.nonce, self.challenge_digest, self.token_key_id)
