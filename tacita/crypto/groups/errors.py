"""What a group refuses, or cannot do."""

from tacita.errors import ConfigError, CryptoError, DecodeError

__all__ = ["ArithmeticFailed", "ElementMalformed", "GroupUnavailable", "ScalarMalformed"]


class ElementMalformed(DecodeError):
    """Bytes are not the one encoding of an element other than the identity."""

    status = 422
    clause = "RFC 9497, Section 2.1"


class ScalarMalformed(DecodeError):
    """Bytes are not the one encoding of an integer below the order of the group."""

    status = 422
    clause = "RFC 9497, Section 2.1"


class ArithmeticFailed(CryptoError):
    """A computation came to the identity, which no protocol here can use, or the library gave up."""

    status = 500
    clause = "RFC 9497, Section 2.1"


class GroupUnavailable(ConfigError):
    """The library that computes in a group is not on this machine."""
