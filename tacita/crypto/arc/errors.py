"""What anonymous rate-limited credentials refuse. Elements and scalars are refused by their group."""

from tacita.crypto.arc.suite import DRAFT
from tacita.errors import CryptoError, DecodeError, TacitaError

__all__ = ["InvalidProof", "LimitOutOfRange", "LimitReached", "PresentationMalformed", "StateMalformed"]


class InvalidProof(CryptoError):
    """A proof does not hold: for a request, a response, or a presentation with its nonce and limit."""

    clause = f"{DRAFT}, Section 5"


class LimitReached(TacitaError):
    """A credential has been presented as often as allowed in its context."""

    clause = f"{DRAFT}, Section 4.3.2"


class LimitOutOfRange(TacitaError):
    """A presentation limit is one that the range proof cannot be made for."""

    status = 400
    clause = f"{DRAFT}, Section 5.4"


class PresentationMalformed(DecodeError):
    """Bytes are not as long as a presentation for any limit."""

    clause = f"{DRAFT}, Section 4.3.2"


class StateMalformed(DecodeError):
    """The bytes are not a presentation state that was written here."""
