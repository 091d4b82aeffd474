"""What HPKE refuses (RFC 9180, Section 4 names the errors of its interfaces)."""

from tacita.errors import CryptoError

__all__ = ["HpkeError", "InvalidKey", "MessageLimitReached", "OpenFailed"]


class HpkeError(CryptoError):
    """An HPKE operation did not succeed."""

    clause = "RFC 9180, Section 5"


class InvalidKey(HpkeError):
    """Bytes are not a key of their KEM, or a key exchange with them has no secret result."""

    clause = "RFC 9180, Section 7.1.4"


class OpenFailed(HpkeError):
    """A ciphertext was not sealed under this context at this position."""

    clause = "RFC 9180, Section 5.2"


class MessageLimitReached(HpkeError):
    """The context has used up its nonces; a new context is needed."""

    status = 500
    clause = "RFC 9180, Section 5.2"
