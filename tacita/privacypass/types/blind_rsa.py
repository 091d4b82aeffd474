"""Token type 0x0002: Blind RSA with 2048 bits (RFC 9578, Section 6). Anyone with the public key can verify.

    key = load_public_key(token_key.public_key)
    token_request, pending = request(challenge.encode(), key)
    token_response, = issue([token_request], signer)            # on the other side
    token = finalize(pending, token_response)
    verify(token, key, challenge.digest())                      # where it is redeemed

Each module of a token type has these four functions, and the four types that they pass:
`TokenRequest` and `TokenResponse` with `encode` and `decode`, `Pending` and `PublicKey`.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from tacita.crypto import blind_rsa
from tacita.crypto.blind_rsa import RandomBytes, Variant
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.crypto.signer import Signer
from tacita.privacypass.errors import (
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
)
from tacita.privacypass.token import NONCE_LENGTH, Token, authenticator_input

__all__ = [
    "AUTHENTICATOR_LENGTH",
    "TOKEN_TYPE",
    "Pending",
    "PublicKey",
    "TokenRequest",
    "TokenResponse",
    "finalize",
    "issue",
    "load_public_key",
    "request",
    "require_fit",
    "verify",
]

TOKEN_TYPE = 0x0002
AUTHENTICATOR_LENGTH = 256
"""Nk (RFC 9578, Section 8.2.2): bytes in the modulus, in a blinded message and in a signature."""

PublicKey: TypeAlias = RsaPublicKey

# Section 6.4 verifies with a 48-byte salt. The registry names PSSZERO, too, which 6.4 would refuse.
_VARIANT = Variant.PSS_DETERMINISTIC


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client sends: one byte of the key id and the blinded message (RFC 9578, Section 6.1)."""

    truncated_token_key_id: int
    blinded_msg: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the 259 bytes of the structure."""
        return TOKEN_TYPE.to_bytes(2, "big") + bytes((self.truncated_token_key_id,)) + self.blinded_msg

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            RequestMalformed: another token type or length.
        """
        if len(data) != 3 + AUTHENTICATOR_LENGTH or data[:2] != TOKEN_TYPE.to_bytes(2, "big"):
            raise RequestMalformed("A token request is not one of type 0x0002 with 259 bytes.")
        return cls(data[2], data[3:])


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What the issuer answers: the blind signature (RFC 9578, Section 6.2)."""

    blind_sig: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the 256 bytes of the structure."""
        return self.blind_sig

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            ResponseMalformed: another length.
        """
        if len(data) != AUTHENTICATOR_LENGTH:
            raise ResponseMalformed("A token response is not 256 bytes long.")
        return cls(data)


@dataclass(frozen=True, slots=True)
class Pending:
    """What the client keeps until the answer comes. The inverse links request and token: it must not leak."""

    key: PublicKey
    nonce: bytes = field(repr=False)
    challenge_digest: bytes = field(repr=False)
    inverse: int = field(repr=False)


def load_public_key(encoded: bytes) -> PublicKey:
    """Read a token key of a directory or challenge.

    Raises:
        KeyMalformed: not a key of the form of RFC 9578, Section 6.5.
        ForeignToken: such a key, but not of 2048 bits.
    """
    return _require_size(RsaPublicKey(encoded))


def request(
    challenge: bytes, key: PublicKey, *, rng: RandomBytes = os.urandom
) -> tuple[TokenRequest, Pending]:
    """Blind a new token for `challenge`, an encoded TokenChallenge (RFC 9578, Section 6.1).

    Draws the 32-byte nonce, the 48-byte salt, and blinding factors of 256 bytes until one fits.

    Raises:
        ForeignToken: the key is not of 2048 bits.
        BlindingFailed: the key is unsound.
    """
    _require_size(key)
    nonce = rng(NONCE_LENGTH)
    challenge_digest = hashlib.sha256(challenge).digest()
    message = authenticator_input(TOKEN_TYPE, nonce, challenge_digest, key.key_id)
    blinded, inverse = blind_rsa.blind(_VARIANT, key, message, rng=rng)
    return TokenRequest(key.key_id[-1], blinded), Pending(key, nonce, challenge_digest, inverse)


def issue(requests: Sequence[TokenRequest], key: Signer) -> list[TokenResponse]:
    """Sign `requests`, all of them for `key`, and return the answers in order (RFC 9578, Section 6.2).

    Raises:
        RequestMalformed: a request names another key or its message is out of the key's range.
        SigningFailed: nothing was signed that could be released.
    """
    for one in requests:
        require_fit(one, key.public_key)
    return [TokenResponse(signature) for signature in key.sign([one.blinded_msg for one in requests])]


def require_fit(token_request: TokenRequest, key: PublicKey) -> TokenRequest:
    """Return `token_request` if `key` can sign it.

    Raises:
        RequestMalformed: it names another key or its message is out of the key's range.
    """
    if token_request.truncated_token_key_id != key.key_id[-1]:
        raise RequestMalformed("A token request names another key.")
    try:
        key.require_in_range(token_request.blinded_msg)
    except blind_rsa.OutOfRange:
        raise RequestMalformed("The blinded message of a token request does not fit the key.") from None
    return token_request


def finalize(pending: Pending, response: TokenResponse) -> Token:
    """Unblind the answer and return the token, verified (RFC 9578, Section 6.3).

    Raises:
        IssuerMisbehaved: the answer is not a signature of what was asked for. It may be a mark to
            know the client by: keep nothing of it.
    """
    key = pending.key
    message = authenticator_input(TOKEN_TYPE, pending.nonce, pending.challenge_digest, key.key_id)
    try:
        signature = blind_rsa.finalize(_VARIANT, key, message, response.blind_sig, pending.inverse)
    except blind_rsa.InvalidSignature:
        raise IssuerMisbehaved("The issuer's signature does not verify; the token was dropped.") from None
    return Token(TOKEN_TYPE, pending.nonce, pending.challenge_digest, key.key_id, signature)


def verify(token: Token, key: PublicKey, challenge_digest: bytes) -> Token:
    """Return `token` if it was issued under `key` for the challenge with this digest (RFC 9578, Section 6.4).

    Raises:
        ForeignToken: it names another type, key or challenge.
        TokenInvalid: its signature does not verify.
    """
    if (token.token_type, token.token_key_id) != (TOKEN_TYPE, key.key_id):
        raise ForeignToken("The token is of another type or issuer key; get one for the challenge.")
    if token.challenge_digest != challenge_digest:
        raise ForeignToken("The token is for another challenge; get one for this one.")
    try:
        blind_rsa.verify(_VARIANT, key, token.authenticator_input(), token.authenticator)
    except blind_rsa.InvalidSignature:
        raise TokenInvalid("The token does not verify; get another.") from None
    return token


def _require_size(key: PublicKey) -> PublicKey:
    if key.modulus_size != AUTHENTICATOR_LENGTH:
        raise ForeignToken("Token type 0x0002 has keys of 2048 bits only.")
    return key
