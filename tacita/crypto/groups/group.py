"""What a protocol may ask of a prime-order group (RFC 9497, Section 2.1).

Secret scalars stay inside the library that computes with them, in constant time: they are
never Python integers. `combine` alone is free to take a time that depends on its input.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

__all__ = ["Element", "Group", "RandomBytes"]

RandomBytes: TypeAlias = Callable[[int], bytes]
"""Returns as many random bytes as asked for, as `os.urandom` does."""


class Element(Protocol):
    """An element other than the identity. Immutable, hashable, equal when the encodings are."""

    @property
    def encoding(self) -> bytes:
        """The one encoding of the element, `element_length` bytes."""


E = TypeVar("E", bound=Element)
S = TypeVar("S")


class Group(Protocol[E, S]):
    """A group of prime order with elements `E` and scalars `S`.

    Any implementation MUST

    - refuse, when it decodes, the identity and every encoding but the one that it writes;
    - take a time that depends on no secret in all but `decode`, `combine` and the hashing (whose
      input is public, or known to nobody but the process that hashes it);
    - raise `ArithmeticFailed` where a result is the identity, rather than return it;
    - allow calls from several threads at once.

    All raise `GroupUnavailable` where the library behind the group is missing.
    """

    @property
    def element_length(self) -> int:
        """Ne: bytes of an encoded element."""

    @property
    def scalar_length(self) -> int:
        """Ns: bytes of an encoded scalar."""

    @property
    def generator(self) -> E:
        """The fixed generator."""

    def decode(self, data: bytes) -> E:
        """Return the element that `data` encodes. Raises `ElementMalformed`."""

    def hash_to_element(self, message: bytes, domain: bytes) -> E:
        """Return a random-looking element whose logarithm nobody knows (RFC 9380, Section 3)."""

    def multiply(self, scalar: S, element: E) -> E:
        """Return `element` multiplied by a secret `scalar`."""

    def multiply_generator(self, scalar: S) -> E:
        """Return the generator multiplied by a secret `scalar`."""

    def add(self, one: E, other: E) -> E:
        """Return the sum of two elements."""

    def combine(self, scalars: Sequence[S], elements: Sequence[E]) -> E:
        """Return the sum of the `elements`, each multiplied by its scalar; for PUBLIC values only."""

    def decode_scalar(self, data: bytes) -> S:
        """Return the scalar that `data` encodes, zero included. Raises `ScalarMalformed`."""

    def encode_scalar(self, scalar: S) -> bytes:
        """Return the one encoding of `scalar`."""

    def hash_to_scalar(self, message: bytes, domain: bytes) -> S:
        """Return a random-looking scalar (RFC 9497, Section 4)."""

    def random_scalar(self, rng: RandomBytes) -> S:
        """Return a uniform scalar other than zero: `scalar_length` bytes of `rng`, drawn until they fit."""

    def is_zero(self, scalar: S) -> bool:
        """Return whether `scalar` is zero."""

    def add_scalars(self, one: S, other: S) -> S:
        """Return the sum of two scalars."""

    def subtract_scalars(self, one: S, other: S) -> S:
        """Return `one` minus `other`."""

    def multiply_scalars(self, one: S, other: S) -> S:
        """Return the product of two scalars."""

    def invert_scalar(self, scalar: S) -> S:
        """Return the inverse of a `scalar` that is not zero."""
