"""Token type 0xDA7A: partially blind RSA with 2048 bits. Anyone with the public key can verify.

    key = load_public_key(token_key.public_key)
    token_request, pending = request(challenge.encode(), key, extensions)
    token_response, = issue([token_request], signer)            # on the other side
    token = finalize(pending, token_response)
    verify(token, key, challenge.digest(), extensions)          # where it is redeemed

As `types.blind_rsa`, and the extensions go along: in the clear in the request, signed in the
token, and beside the token where it is redeemed. Whether an issuer wants to sign them is for
`tacita.privacypass.extensions.ExpirationPolicy` to say before `issue`. Keys look like those of
type 0x0002, but are made by `tacita.crypto.safe_primes.generate`, and serve this type only.

Follows the draft that `DRAFT` names, Section 6.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from tacita.crypto import partially_blind_rsa
from tacita.crypto.blind_rsa import RandomBytes, Variant
from tacita.crypto.partially_blind_rsa import PartiallyBlindSigner
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.privacypass.errors import (
    ExtensionsMalformed,
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
)
from tacita.privacypass.extensions import Extensions
from tacita.privacypass.token import NONCE_LENGTH, Token, authenticator_input

__all__ = [
    "AUTHENTICATOR_LENGTH",
    "DRAFT",
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

DRAFT = "draft-ietf-privacypass-public-metadata-issuance-03"
TOKEN_TYPE = 0xDA7A
AUTHENTICATOR_LENGTH = 256
"""Nk: bytes in the modulus, in a blinded message and in a signature."""

PublicKey: TypeAlias = RsaPublicKey

# The draft allows PSSZERO, too, but keys publish salt length 48, and its vectors have it.
_VARIANT = Variant.PSS_DETERMINISTIC
_TYPE = TOKEN_TYPE.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """ExtendedTokenRequest: one byte of the key id, the blinded message, and the extensions."""

    truncated_token_key_id: int
    blinded_msg: bytes = field(repr=False)
    extensions: Extensions

    def encode(self) -> bytes:
        """Return the structure: 259 bytes and the extensions."""
        return _TYPE + bytes((self.truncated_token_key_id,)) + self.blinded_msg + self.extensions.encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            RequestMalformed: another token type, too short, or extensions that cannot be read.
        """
        end = 3 + AUTHENTICATOR_LENGTH
        if len(data) < end or data[:2] != _TYPE:
            raise RequestMalformed("A token request is not one of type 0xDA7A with 259 bytes and extensions.")
        try:
            extensions = Extensions.decode(data[end:])
        except ExtensionsMalformed:
            raise RequestMalformed("The extensions of a token request cannot be read.") from None
        return cls(data[2], data[3:end], extensions)


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What the issuer answers: the blind signature."""

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
    extensions: Extensions
    nonce: bytes = field(repr=False)
    challenge_digest: bytes = field(repr=False)
    inverse: int = field(repr=False)


def load_public_key(encoded: bytes) -> PublicKey:
    """Read a token key of a directory or challenge. That its primes are safe cannot be seen in it.

    Raises:
        KeyMalformed: not a key of the form of RFC 9578, Section 6.5.
        ForeignToken: such a key, but not of 2048 bits.
    """
    return _require_size(RsaPublicKey(encoded))


def request(
    challenge: bytes, key: PublicKey, extensions: Extensions, *, rng: RandomBytes = os.urandom
) -> tuple[TokenRequest, Pending]:
    """Blind a new token for `challenge`, an encoded TokenChallenge, that carries `extensions`.

    Draws the 32-byte nonce, the 48-byte salt, and blinding factors of 256 bytes until one fits.
    Follows Section 6.1 of the draft.

    Raises:
        ForeignToken: the key is not of 2048 bits.
        BlindingFailed: the key is unsound.
    """
    _require_size(key)
    nonce = rng(NONCE_LENGTH)
    challenge_digest = hashlib.sha256(challenge).digest()
    message = authenticator_input(TOKEN_TYPE, nonce, challenge_digest, key.key_id)
    blinded, inverse = partially_blind_rsa.blind(_VARIANT, key, message, extensions.encode(), rng=rng)
    pending = Pending(key, extensions, nonce, challenge_digest, inverse)
    return TokenRequest(key.key_id[-1], blinded, extensions), pending


def issue(requests: Sequence[TokenRequest], key: PartiallyBlindSigner) -> list[TokenResponse]:
    """Sign `requests`, all of them for `key`, and return the answers in order (Section 6.2 of the draft).

    Requests with the same extensions are signed together.

    Raises:
        RequestMalformed: a request names another key or its message is out of the key's range.
        SigningFailed: nothing was signed that could be released.
    """
    places: dict[bytes, list[int]] = {}
    for place, one in enumerate(requests):
        places.setdefault(require_fit(one, key.public_key).extensions.encode(), []).append(place)
    signatures: dict[int, bytes] = {}
    for metadata, mine in places.items():
        signed = key.sign([requests[place].blinded_msg for place in mine], metadata)
        signatures |= zip(mine, signed, strict=True)
    return [TokenResponse(signatures[place]) for place in range(len(requests))]


def require_fit(token_request: TokenRequest, key: PublicKey) -> TokenRequest:
    """Return `token_request` if `key` can sign it.

    Raises:
        RequestMalformed: it names another key or its message is out of the key's range.
    """
    if token_request.truncated_token_key_id != key.key_id[-1]:
        raise RequestMalformed("A token request names another key.")
    try:
        key.require_in_range(token_request.blinded_msg)
    except partially_blind_rsa.OutOfRange:
        raise RequestMalformed("The blinded message of a token request does not fit the key.") from None
    return token_request


def finalize(pending: Pending, response: TokenResponse) -> Token:
    """Unblind the answer and return the token, verified (Section 6.3 of the draft).

    Raises:
        IssuerMisbehaved: the answer is not a signature of what was asked for. It may be a mark to
            know the client by: keep nothing of it.
    """
    key = pending.key
    message = authenticator_input(TOKEN_TYPE, pending.nonce, pending.challenge_digest, key.key_id)
    try:
        signature = partially_blind_rsa.finalize(
            _VARIANT, key, message, pending.extensions.encode(), response.blind_sig, pending.inverse
        )
    except partially_blind_rsa.InvalidSignature:
        raise IssuerMisbehaved("The issuer's signature does not verify; the token was dropped.") from None
    return Token(TOKEN_TYPE, pending.nonce, pending.challenge_digest, key.key_id, signature)


def verify(token: Token, key: PublicKey, challenge_digest: bytes, extensions: Extensions) -> Token:
    """Return `token` if it was issued under `key` with `extensions` for the challenge with this digest.

    Follows Section 6.4 of the draft. What the extensions say is for the caller:
    `extensions.require_unexpired(now)`.

    Raises:
        ForeignToken: it names another type, key or challenge.
        TokenInvalid: its signature does not verify, or not with these extensions.
    """
    if (token.token_type, token.token_key_id) != (TOKEN_TYPE, key.key_id):
        raise ForeignToken("The token is of another type or issuer key; get one for the challenge.")
    if token.challenge_digest != challenge_digest:
        raise ForeignToken("The token is for another challenge; get one for this one.")
    try:
        partially_blind_rsa.verify(
            _VARIANT, key, token.authenticator_input(), extensions.encode(), token.authenticator
        )
    except partially_blind_rsa.InvalidSignature:
        raise TokenInvalid("The token does not verify with its extensions; get another.") from None
    return token


def _require_size(key: PublicKey) -> PublicKey:
    if key.modulus_size != AUTHENTICATOR_LENGTH:
        raise ForeignToken("Token type 0xDA7A has keys of 2048 bits only.")
    return key
