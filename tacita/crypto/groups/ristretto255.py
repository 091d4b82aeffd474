"""ristretto255 (RFC 9496) by libsodium, through `pysodium`.

libsodium takes 32 zero bytes, the identity, for a valid element, and version 1.0.18 ignores
the highest bit, so that every element would have a second encoding; `decode` takes neither.
Where a product is the identity libsodium reports failure, which becomes `ArithmeticFailed`.

libsodium's scalars are integers modulo the order in 32 little-endian bytes, and all of its
arithmetic on them and on elements is constant-time. Neither side keeps state: calls from
several threads are safe, and pysodium, being ctypes, releases the GIL for each.

The library is looked for at first use, so that a machine without it can have the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType

from tacita.crypto.groups import xmd
from tacita.crypto.groups.errors import (
    ArithmeticFailed,
    ElementMalformed,
    GroupUnavailable,
    ScalarMalformed,
)
from tacita.crypto.groups.group import RandomBytes

__all__ = ["RISTRETTO255", "Ristretto255", "RistrettoElement", "RistrettoScalar"]

_LENGTH = 32
_UNIFORM = 64
_HASH = "sha512"
_ZERO = bytes(_LENGTH)
_HIGHEST_BIT = 0x80
_GENERATOR = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")


@dataclass(frozen=True, slots=True)
class RistrettoElement:
    """An element, which libsodium keeps as its encoding."""

    encoding: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RistrettoScalar:
    """A scalar, which libsodium keeps as its encoding."""

    encoding: bytes = field(repr=False)


@cache
def _sodium() -> ModuleType:
    try:
        import pysodium  # noqa: PLC0415 - it raises where libsodium is missing

        pysodium.crypto_core_ristretto255_is_valid_point(_GENERATOR)
    except (ImportError, OSError, AttributeError, ValueError, TypeError):
        raise GroupUnavailable(
            "ristretto255 needs pysodium and libsodium 1.0.18; install the package libsodium23 and the extra."
        ) from None
    module: ModuleType = pysodium
    return module


class Ristretto255:
    """The group of RFC 9496, with the hashing of RFC 9497, Section 4.1."""

    element_length = _LENGTH
    scalar_length = _LENGTH
    generator = RistrettoElement(_GENERATOR)

    def decode(self, data: bytes) -> RistrettoElement:
        """Return the element that `data` encodes. Raises `ElementMalformed`."""
        if (
            len(data) != _LENGTH
            or data == _ZERO
            or data[-1] & _HIGHEST_BIT
            or not _sodium().crypto_core_ristretto255_is_valid_point(data)
        ):
            raise ElementMalformed("The bytes are not an element of ristretto255 other than the identity.")
        return RistrettoElement(data)

    def hash_to_element(self, message: bytes, domain: bytes) -> RistrettoElement:
        """Return a random-looking element (RFC 9380, Appendix B)."""
        uniform = xmd.expand(_HASH, message, domain, _UNIFORM)
        return _element(_sodium().crypto_core_ristretto255_from_hash(uniform))

    def multiply(self, scalar: RistrettoScalar, element: RistrettoElement) -> RistrettoElement:
        """Return `element` multiplied by a secret `scalar`."""
        try:
            product = _sodium().crypto_scalarmult_ristretto255(scalar.encoding, element.encoding)
        except ValueError:
            raise _failure() from None
        return _element(product)

    def multiply_generator(self, scalar: RistrettoScalar) -> RistrettoElement:
        """Return the generator multiplied by a secret `scalar`."""
        try:
            product = _sodium().crypto_scalarmult_ristretto255_base(scalar.encoding)
        except ValueError:
            raise _failure() from None
        return _element(product)

    def add(self, one: RistrettoElement, other: RistrettoElement) -> RistrettoElement:
        """Return the sum of two elements."""
        return _element(_sodium().crypto_core_ristretto255_add(one.encoding, other.encoding))

    def combine(
        self, scalars: Sequence[RistrettoScalar], elements: Sequence[RistrettoElement]
    ) -> RistrettoElement:
        """Return the sum of the `elements`, each multiplied by its scalar; for PUBLIC values only."""
        sodium, total = _sodium(), _ZERO
        for scalar, element in zip(scalars, elements, strict=True):
            if scalar.encoding != _ZERO:
                product = sodium.crypto_scalarmult_ristretto255(scalar.encoding, element.encoding)
                total = sodium.crypto_core_ristretto255_add(total, product) if total != _ZERO else product
        return _element(total)

    def decode_scalar(self, data: bytes) -> RistrettoScalar:
        """Return the scalar that `data` encodes, zero included. Raises `ScalarMalformed`."""
        if len(data) != _LENGTH or not _is_reduced(data):
            raise ScalarMalformed("The bytes are not a scalar of ristretto255.")
        return RistrettoScalar(data)

    def encode_scalar(self, scalar: RistrettoScalar) -> bytes:
        """Return the 32 little-endian bytes of `scalar`."""
        return scalar.encoding

    def hash_to_scalar(self, message: bytes, domain: bytes) -> RistrettoScalar:
        """Return a random-looking scalar (RFC 9497, Section 4.1)."""
        uniform = xmd.expand(_HASH, message, domain, _UNIFORM)
        return RistrettoScalar(_sodium().crypto_core_ristretto255_scalar_reduce(uniform))

    def random_scalar(self, rng: RandomBytes) -> RistrettoScalar:
        """Return a uniform scalar other than zero.

        Of 32 bytes from `rng` the three bits that no scalar has are cleared, as libsodium itself does;
        half of what is drawn fits.
        """
        while True:
            drawn = rng(_LENGTH)
            drawn = drawn[:-1] + bytes((drawn[-1] & 0x1F,))
            if drawn != _ZERO and _is_reduced(drawn):
                return RistrettoScalar(drawn)

    def is_zero(self, scalar: RistrettoScalar) -> bool:
        """Return whether `scalar` is zero."""
        return scalar.encoding == _ZERO

    def add_scalars(self, one: RistrettoScalar, other: RistrettoScalar) -> RistrettoScalar:
        """Return the sum of two scalars."""
        return RistrettoScalar(_sodium().crypto_core_ristretto255_scalar_add(one.encoding, other.encoding))

    def subtract_scalars(self, one: RistrettoScalar, other: RistrettoScalar) -> RistrettoScalar:
        """Return `one` minus `other`."""
        return RistrettoScalar(_sodium().crypto_core_ristretto255_scalar_sub(one.encoding, other.encoding))

    def multiply_scalars(self, one: RistrettoScalar, other: RistrettoScalar) -> RistrettoScalar:
        """Return the product of two scalars."""
        return RistrettoScalar(_sodium().crypto_core_ristretto255_scalar_mul(one.encoding, other.encoding))

    def invert_scalar(self, scalar: RistrettoScalar) -> RistrettoScalar:
        """Return the inverse of a `scalar` that is not zero."""
        try:
            return RistrettoScalar(_sodium().crypto_core_ristretto255_scalar_invert(scalar.encoding))
        except ValueError:
            raise _failure() from None


def _is_reduced(data: bytes) -> bool:
    # By libsodium: reducing in constant time changes whatever is not below the order.
    reduced: bytes = _sodium().crypto_core_ristretto255_scalar_reduce(data + _ZERO)
    return reduced == data


def _element(encoding: bytes) -> RistrettoElement:
    if encoding == _ZERO:
        raise _failure()
    return RistrettoElement(encoding)


def _failure() -> ArithmeticFailed:
    return ArithmeticFailed("A computation in ristretto255 came to the identity; nothing was released.")


RISTRETTO255 = Ristretto255()
