"""What Privacy Pass refuses, each error with the clause that demands it.

On the side of the origin (the gateway) these become 401, on the side of the issuer 415,
422 or 400, and on the side of the client they stay exceptions.
"""

from tacita.errors import CryptoError, DecodeError, LimitExceeded, TacitaError

__all__ = [
    "BatchMalformed",
    "BatchTooLarge",
    "ChallengeMalformed",
    "DirectoryMalformed",
    "ExtensionsMalformed",
    "ExtensionsRefused",
    "ForeignToken",
    "IssuerMisbehaved",
    "KeysCollide",
    "NoUsableKey",
    "NothingIssued",
    "OriginNotListed",
    "RequestMalformed",
    "ResponseMalformed",
    "TokenExpired",
    "TokenInvalid",
    "TokenKeyMalformed",
    "TokenMalformed",
    "TokenMissing",
    "UnknownTokenKey",
    "UnsupportedMediaType",
]


class ChallengeMalformed(DecodeError):
    """A TokenChallenge is not one."""

    clause = "RFC 9577, Section 2.1.1"


class OriginNotListed(TacitaError):
    """A challenge is for other origins than the one that sent it."""

    status = 400
    clause = "RFC 9577, Section 2.1.3"


class TokenMissing(TacitaError):
    """The request carries no token."""

    status = 401
    clause = "RFC 9577, Section 2.2.2"


class TokenMalformed(DecodeError):
    """A token is not one, or is of a type that we do not know."""

    status = 401
    clause = "RFC 9577, Section 2.2.1"


class TokenInvalid(CryptoError):
    """The authenticator of a token does not verify."""

    status = 401
    clause = "RFC 9577, Section 2.2.3"


class ForeignToken(TokenInvalid):
    """A token is for another type, challenge or issuer key."""


class TokenExpired(TokenInvalid):
    """The extensions of a token say that its time is over."""

    clause = "draft-ietf-privacypass-expiration-extension-00, Section 3"


class ExtensionsMalformed(DecodeError):
    """Extensions are not ones, or an expiry among them is not."""

    clause = "draft-ietf-privacypass-auth-scheme-extensions-03, Section 3"


class ExtensionsRefused(TacitaError):
    """The issuer does not sign these extensions."""

    status = 400
    clause = "draft-ietf-privacypass-public-metadata-issuance-03, Section 6.2"


class TokenKeyMalformed(DecodeError):
    """A key is not an element, or not a scalar, of the group of its token type."""

    clause = "RFC 9578, Section 5.5"


class RequestMalformed(DecodeError):
    """A TokenRequest is not one, or not for the key that it names."""

    status = 422
    clause = "RFC 9578, Sections 5.2 and 6.2"


class UnknownTokenKey(TacitaError):
    """No key that may issue has this type and truncated id."""

    status = 422
    clause = "RFC 9578, Sections 5.2 and 6.2"


class UnsupportedMediaType(TacitaError):
    """A token request has a media type that the issuer does not take."""

    status = 415
    clause = "draft-ietf-privacypass-batched-tokens-09, Section 6.1"


class BatchMalformed(DecodeError):
    """A batch is not one, or holds a token type that it cannot hold, or an element that is none."""

    status = 422
    clause = "draft-ietf-privacypass-batched-tokens-09, Sections 5.2 and 6.2"


class BatchTooLarge(LimitExceeded):
    """A batch asks for more tokens than the issuer gives at once."""

    status = 422
    clause = "draft-ietf-privacypass-batched-tokens-09, Section 7.2"


class NothingIssued(TacitaError):
    """None of the requests of a batch can be granted."""

    status = 400
    clause = "draft-ietf-privacypass-batched-tokens-09, Section 6.2"


class ResponseMalformed(DecodeError):
    """An issuer's answer is not a TokenResponse."""

    clause = "RFC 9578, Sections 5.3 and 6.3"


class IssuerMisbehaved(CryptoError):
    """An issuer's answer does not make a token that verifies. Store nothing, and doubt the issuer."""

    clause = "RFC 9578, Sections 5.3 and 6.3"


class DirectoryMalformed(DecodeError):
    """An issuer directory is not one."""

    clause = "RFC 9578, Section 4"


class NoUsableKey(TacitaError):
    """A directory has no key of the wanted type that may be used yet."""

    clause = "RFC 9578, Section 4"


class KeysCollide(TacitaError):
    """Two live issuer keys share the one byte by which requests name them; make another key."""

    clause = "RFC 9578, Section 6.5"
