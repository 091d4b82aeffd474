"""Token type 0x0005: VOPRF (ristretto255, SHA-512). Only who has the private key can verify.

    key = load_public_key(token_key.public_key)
    token_request, pending = request(challenge.encode(), key)
    token_response, = issue([token_request], private_key)       # on the other side
    token = finalize(pending, token_response)
    verify(token, private_key, challenge.digest())              # where it is redeemed

Follows draft-ietf-privacypass-batched-tokens-09, Section 8.1, which refers to RFC 9578, Section 5.
Messages are 35 and 96 bytes, keys 32.
The functions are the methods of `types.voprf.Tokens`.
"""

from tacita.crypto.voprf import RISTRETTO255_SHA512
from tacita.privacypass.types import voprf
from tacita.privacypass.types.voprf import Pending, Tokens

__all__ = [
    "AUTHENTICATOR_LENGTH",
    "TOKEN_TYPE",
    "Pending",
    "PrivateKey",
    "PublicKey",
    "TokenRequest",
    "TokenResponse",
    "finalize",
    "issue",
    "load_private_key",
    "load_public_key",
    "request",
    "require_fit",
    "verify",
]

TOKEN_TYPE = 0x0005
AUTHENTICATOR_LENGTH = 64
"""Nk: bytes of what the hash function gives."""


class _Type:
    __slots__ = ()
    token_type = TOKEN_TYPE
    suite = RISTRETTO255_SHA512


class PublicKey(_Type, voprf.PublicKey):
    """A public key of token type 0x0005."""

    __slots__ = ()


class PrivateKey(_Type, voprf.PrivateKey):
    """A private key of token type 0x0005."""

    __slots__ = ()
    public_key_class = PublicKey


class TokenRequest(_Type, voprf.TokenRequest):
    """TokenRequest of token type 0x0005."""

    __slots__ = ()


class TokenResponse(_Type, voprf.TokenResponse):
    """TokenResponse of token type 0x0005."""

    __slots__ = ()


_TOKENS = Tokens(PrivateKey, PublicKey, TokenRequest, TokenResponse)

load_public_key = _TOKENS.load_public_key
load_private_key = _TOKENS.load_private_key
request = _TOKENS.request
issue = _TOKENS.issue
require_fit = _TOKENS.require_fit
finalize = _TOKENS.finalize
verify = _TOKENS.verify
