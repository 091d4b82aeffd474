"""A credential: a MAC of the issuer on a secret of the client and on the request context."""

from dataclasses import dataclass, field
from typing import Self

from tacita.crypto.arc.suite import GROUP, SCALAR_LENGTH, Element, Scalar, take_element
from tacita.wire.cursor import Cursor

__all__ = ["Credential"]


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """What `finalize` gives (the draft's Section 4.2.3). Whoever has it can present it: nothing prints.

    It counts nothing. Keep a `PresentationState` with it, and store both before a presentation leaves.
    """

    m1: Scalar = field(repr=False)
    u: Element = field(repr=False)
    u_prime: Element = field(repr=False)
    x1: Element = field(repr=False)

    def encode(self) -> bytes:
        """Return 131 bytes, in a form of our own. For a file of mode 0600 and nowhere else."""
        return GROUP.encode_scalar(self.m1) + self.u.encoding + self.u_prime.encoding + self.x1.encoding

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote. Raises a `DecodeError`."""
        cursor = Cursor(data)
        m1 = GROUP.decode_scalar(cursor.take(SCALAR_LENGTH))
        credential = cls(m1, take_element(cursor), take_element(cursor), take_element(cursor))
        cursor.finish()
        return credential
