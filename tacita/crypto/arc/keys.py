"""The keys of an issuer of credentials (the draft's Section 4.1). The private one verifies, too."""

import os
from typing import Self

from tacita.crypto.arc.suite import GROUP, SCALAR_LENGTH, Element, Scalar, generator_h, take_element
from tacita.crypto.groups.errors import ScalarMalformed
from tacita.crypto.groups.group import RandomBytes
from tacita.wire.cursor import Cursor

__all__ = ["PrivateKey", "PublicKey"]


class PublicKey:
    """Three elements: a commitment to x0, and x1 and x2 times H. Immutable; equal when encodings are."""

    __slots__ = ("x0", "x1", "x2")

    def __init__(self, x0: Element, x1: Element, x2: Element) -> None:
        self.x0 = x0
        self.x1 = x1
        self.x2 = x2

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read 99 bytes. Raises `ElementMalformed`, or another `DecodeError` for a wrong length."""
        cursor = Cursor(data)
        key = cls(take_element(cursor), take_element(cursor), take_element(cursor))
        cursor.finish()
        return key

    def to_bytes(self) -> bytes:
        """Return the three elements."""
        return self.x0.encoding + self.x1.encoding + self.x2.encoding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())


class PrivateKey:
    """Four scalars other than zero, and the public key. Prints as nothing but its class."""

    __slots__ = ("public_key", "x0", "x0_blinding", "x1", "x2")

    def __init__(self, x0: Scalar, x1: Scalar, x2: Scalar, x0_blinding: Scalar) -> None:
        """Take scalars; `generate` and `from_bytes` make them."""
        self.x0 = x0
        self.x1 = x1
        self.x2 = x2
        self.x0_blinding = x0_blinding
        h = generator_h()
        self.public_key = PublicKey(
            GROUP.add(GROUP.multiply_generator(x0), GROUP.multiply(x0_blinding, h)),
            GROUP.multiply(x1, h),
            GROUP.multiply(x2, h),
        )

    @classmethod
    def generate(cls, *, rng: RandomBytes = os.urandom) -> Self:
        """Return a new key: x0, x1, x2 and the blinding of x0, drawn in this order."""
        x0, x1, x2, x0_blinding = (GROUP.random_scalar(rng) for _ in range(4))
        return cls(x0, x1, x2, x0_blinding)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote: 128 bytes.

        Raises:
            ScalarMalformed: a scalar is zero, or not below the order of the group.
            DecodeError: another length.
        """
        cursor = Cursor(data)
        scalars = [GROUP.decode_scalar(cursor.take(SCALAR_LENGTH)) for _ in range(4)]
        cursor.finish()
        if any(GROUP.is_zero(one) for one in scalars):
            raise ScalarMalformed("A scalar of a private key is zero.")
        x0, x1, x2, x0_blinding = scalars
        return cls(x0, x1, x2, x0_blinding)

    def to_bytes(self) -> bytes:
        """Return x0, x1, x2 and the blinding of x0. For a file of mode 0600 and nowhere else."""
        scalars = (self.x0, self.x1, self.x2, self.x0_blinding)
        return b"".join(GROUP.encode_scalar(one) for one in scalars)
