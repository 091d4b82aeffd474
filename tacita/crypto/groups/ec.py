"""NIST curves by libcrypto's EC_POINT and BIGNUM, through ctypes; `p256` and `p384` are its instances.

Constant time. A product with one scalar runs by libcrypto's ladder, or its fixed-window code
for P-256; scalars carry BN_FLG_CONSTTIME, which takes reduction and powers modulo the order
through code without branches. `combine` uses EC_POINTs_mul, which is faster and not constant.

`hash_to_element` computes in the field with `tacita.crypto.modular`, in no constant time.
What is hashed is public (a token that is redeemed, a label), or belongs to the process that
hashes it (a client's own nonce); neither is a key, and no peer can measure inside a process.

libcrypto takes the one byte of the point at infinity and uncompressed points; `decode` takes
compressed ones only.

Memory and threads. Each point and scalar is a `Handle`: cleared and freed with the Python
object that holds it, and never changed after it is made. Every call has a BN_CTX of its own, and
the curve is only read, so calls from several threads are safe, and run in parallel.
"""

import ctypes
from collections.abc import Sequence
from functools import cached_property

from tacita.crypto.groups.errors import (
    ArithmeticFailed,
    ElementMalformed,
    GroupUnavailable,
    ScalarMalformed,
)
from tacita.crypto.groups.group import RandomBytes
from tacita.crypto.groups.sswu import HashToCurve
from tacita.crypto.libcrypto import Handle, LibcryptoUnavailable, Signatures, load

__all__ = ["NistCurve", "Point", "Scalar"]

_COMPRESSED = 2
_CONSTTIME = 0x04

_POINTER = ctypes.c_void_p
_INT = ctypes.c_int
_SIZE = ctypes.c_size_t
_BYTES = ctypes.c_char_p
_ARRAY = ctypes.POINTER(ctypes.c_void_p)
_FUNCTIONS: Signatures = {
    "BN_CTX_new": (_POINTER, []),
    "BN_CTX_free": (None, [_POINTER]),
    "BN_new": (_POINTER, []),
    "BN_clear_free": (None, [_POINTER]),
    "BN_bin2bn": (_POINTER, [_BYTES, _INT, _POINTER]),
    "BN_bn2binpad": (_INT, [_POINTER, _BYTES, _INT]),
    "BN_set_flags": (None, [_POINTER, _INT]),
    "BN_is_zero": (_INT, [_POINTER]),
    "BN_cmp": (_INT, [_POINTER] * 2),
    "BN_nnmod": (_INT, [_POINTER] * 4),
    "BN_mod_add": (_INT, [_POINTER] * 5),
    "BN_mod_sub": (_INT, [_POINTER] * 5),
    "BN_mod_mul": (_INT, [_POINTER] * 5),
    "BN_mod_exp": (_INT, [_POINTER] * 5),
    "EC_GROUP_new_by_curve_name": (_POINTER, [_INT]),
    "EC_GROUP_free": (None, [_POINTER]),
    "EC_GROUP_get0_generator": (_POINTER, [_POINTER]),
    "EC_POINT_new": (_POINTER, [_POINTER]),
    "EC_POINT_dup": (_POINTER, [_POINTER] * 2),
    "EC_POINT_clear_free": (None, [_POINTER]),
    "EC_POINT_is_at_infinity": (_INT, [_POINTER] * 2),
    "EC_POINT_set_affine_coordinates": (_INT, [_POINTER] * 5),
    "EC_POINT_oct2point": (_INT, [_POINTER, _POINTER, _BYTES, _SIZE, _POINTER]),
    "EC_POINT_point2oct": (_SIZE, [_POINTER, _POINTER, _INT, _BYTES, _SIZE, _POINTER]),
    "EC_POINT_add": (_INT, [_POINTER] * 5),
    "EC_POINT_mul": (_INT, [_POINTER] * 6),
    "EC_POINTs_mul": (_INT, [_POINTER, _POINTER, _POINTER, _SIZE, _ARRAY, _ARRAY, _POINTER]),
    "ERR_clear_error": (None, []),
}


class Scalar(Handle):
    """A BIGNUM below the order."""

    __slots__ = ()


class Point(Handle):
    """An EC_POINT other than infinity, and its encoding once somebody has asked for it."""

    __slots__ = ("_curve", "_encoding")

    def __init__(self, pointer: int, curve: "NistCurve") -> None:
        super().__init__(pointer, curve.library.EC_POINT_clear_free)
        self._curve = curve
        self._encoding: bytes | None = None

    @property
    def encoding(self) -> bytes:
        """The compressed form (SEC 1, Section 2.3.3). To make it costs an inversion in the field."""
        if self._encoding is None:
            self._encoding = self._curve.compress(self)
        return self._encoding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.encoding == other.encoding

    def __hash__(self) -> int:
        return hash(self.encoding)


class NistCurve:
    """A `Group` on one of libcrypto's built-in curves over a prime field, all of cofactor 1.

    `nid` is the number by which libcrypto knows the curve, `order` how many points it has. libcrypto is
    looked for at first use, so that a machine without it can have the rest.
    """

    def __init__(self, name: str, nid: int, order: int, hashing: HashToCurve) -> None:
        self._name = name
        self._nid = nid
        self._order_value = order
        self._hashing = hashing
        self.scalar_length = (order.bit_length() + 7) // 8
        self.element_length = 1 + hashing.field_length

    @cached_property
    def library(self) -> ctypes.CDLL:
        """libcrypto, with the functions that points need."""
        try:
            return load(_FUNCTIONS)
        except LibcryptoUnavailable as unavailable:
            raise GroupUnavailable(str(unavailable)) from None

    @cached_property
    def generator(self) -> Point:
        """The base point of the curve."""
        base = self.library.EC_GROUP_get0_generator(self._group)  # owned by the group
        return self._finished(Point(self._made(self.library.EC_POINT_dup(base, self._group)), self))

    def decode(self, data: bytes) -> Point:
        """Return the point that `data` encodes in compressed form. Raises `ElementMalformed`."""
        point = self._point()
        if (
            len(data) != self.element_length
            or data[0] not in (2, 3)
            or not self.library.EC_POINT_oct2point(self._group, point, data, len(data), self._context())
        ):
            self.library.ERR_clear_error()
            raise ElementMalformed(f"The bytes are not a compressed point of {self._name}.")
        point._encoding = data
        return point

    def compress(self, point: Point) -> bytes:
        """Return the encoding of `point`; `Point.encoding` keeps it."""
        buffer = ctypes.create_string_buffer(self.element_length)
        written = self.library.EC_POINT_point2oct(
            self._group, point, _COMPRESSED, buffer, self.element_length, self._context()
        )
        self._check(written == self.element_length)
        return buffer.raw

    def hash_to_element(self, message: bytes, domain: bytes) -> Point:
        """Return a random-looking point (RFC 9380, Section 8: the suites `_XMD:…_SSWU_RO_`)."""
        one, other = (self._from_coordinates(x, y) for x, y in self._hashing.points(message, domain))
        return self.add(one, other)

    def multiply(self, scalar: Scalar, element: Point) -> Point:
        """Return `element` multiplied by a secret `scalar`."""
        product = self._point()
        context = self._context()
        self._check(self.library.EC_POINT_mul(self._group, product, None, element, scalar, context))
        return self._finished(product)

    def multiply_generator(self, scalar: Scalar) -> Point:
        """Return the generator multiplied by a secret `scalar`."""
        product = self._point()
        context = self._context()
        self._check(self.library.EC_POINT_mul(self._group, product, scalar, None, None, context))
        return self._finished(product)

    def add(self, one: Point, other: Point) -> Point:
        """Return the sum of two points."""
        total = self._point()
        self._check(self.library.EC_POINT_add(self._group, total, one, other, self._context()))
        return self._finished(total)

    def combine(self, scalars: Sequence[Scalar], elements: Sequence[Point]) -> Point:
        """Return the sum of the `elements`, each multiplied by its scalar; for PUBLIC values only."""
        count = len(elements)
        if len(scalars) != count:
            raise ValueError("as many scalars as elements")
        total = self._point()
        array = ctypes.c_void_p * count
        points = array(*(element._as_parameter_ for element in elements))
        factors = array(*(scalar._as_parameter_ for scalar in scalars))
        context = self._context()
        # With a scalar for the generator, even zero, libcrypto leaves its ladder for one point, too: the
        # ladder takes half as long again.
        self._check(
            self.library.EC_POINTs_mul(self._group, total, self._zero, count, points, factors, context)
        )
        return self._finished(total)

    def decode_scalar(self, data: bytes) -> Scalar:
        """Return the scalar that `data` encodes, zero included. Raises `ScalarMalformed`."""
        scalar = self._read(data) if len(data) == self.scalar_length else None
        if scalar is None or self.library.BN_cmp(scalar, self._order) >= 0:
            raise ScalarMalformed(f"The bytes are not a scalar of {self._name}.")
        return scalar

    def encode_scalar(self, scalar: Scalar) -> bytes:
        """Return the big-endian bytes of `scalar`."""
        buffer = ctypes.create_string_buffer(self.scalar_length)
        written = self.library.BN_bn2binpad(scalar, buffer, self.scalar_length)
        self._check(written == self.scalar_length)
        return buffer.raw

    def hash_to_scalar(self, message: bytes, domain: bytes) -> Scalar:
        """Return a random-looking scalar (RFC 9497, Sections 4.3 and 4.4)."""
        wide, scalar = self._read(self._hashing.uniform(message, domain, 1)), self._scalar()
        self._check(self.library.BN_nnmod(scalar, wide, self._order, self._context()))
        return scalar

    def random_scalar(self, rng: RandomBytes) -> Scalar:
        """Return a uniform scalar other than zero: what `rng` gives, until it is one."""
        while True:
            try:
                scalar = self.decode_scalar(rng(self.scalar_length))
            except ScalarMalformed:
                continue
            if not self.is_zero(scalar):
                return scalar

    def is_zero(self, scalar: Scalar) -> bool:
        """Return whether `scalar` is zero."""
        return bool(self.library.BN_is_zero(scalar))

    def add_scalars(self, one: Scalar, other: Scalar) -> Scalar:
        """Return the sum of two scalars."""
        return self._modular(self.library.BN_mod_add, one, other)

    def subtract_scalars(self, one: Scalar, other: Scalar) -> Scalar:
        """Return `one` minus `other`."""
        return self._modular(self.library.BN_mod_sub, one, other)

    def multiply_scalars(self, one: Scalar, other: Scalar) -> Scalar:
        """Return the product of two scalars."""
        return self._modular(self.library.BN_mod_mul, one, other)

    def invert_scalar(self, scalar: Scalar) -> Scalar:
        """Return the inverse of a `scalar` that is not zero, as its power order - 2 (Fermat).

        So does libcrypto's ECDSA: with the flag of the base that power takes a constant time.
        """
        self._check(not self.is_zero(scalar))
        inverse = self._scalar()
        self._check(
            self.library.BN_mod_exp(inverse, scalar, self._order_minus_2, self._order, self._context())
        )
        return inverse

    @cached_property
    def _group(self) -> Handle:
        pointer = self.library.EC_GROUP_new_by_curve_name(self._nid)
        if not pointer:
            self.library.ERR_clear_error()
            raise GroupUnavailable(f"libcrypto was built without {self._name}; install the package libssl3.")
        return Handle(pointer, self.library.EC_GROUP_free)

    @cached_property
    def _zero(self) -> Scalar:
        return self._scalar()

    @cached_property
    def _order(self) -> Scalar:
        return self._read(self._order_value.to_bytes(self.scalar_length, "big"))

    @cached_property
    def _order_minus_2(self) -> Scalar:
        return self._read((self._order_value - 2).to_bytes(self.scalar_length, "big"))

    def _from_coordinates(self, x: int, y: int) -> Point:
        length = self._hashing.field_length
        point = self._point()
        pair = [self._read(value.to_bytes(length, "big")) for value in (x, y)]
        self._check(self.library.EC_POINT_set_affine_coordinates(self._group, point, *pair, self._context()))
        return point

    def _modular(self, operation: "ctypes._NamedFuncPointer", one: Scalar, other: Scalar) -> Scalar:
        result = self._scalar()
        self._check(operation(result, one, other, self._order, self._context()))
        return result

    def _read(self, data: bytes) -> Scalar:
        pointer = self._made(self.library.BN_bin2bn(data, len(data), None))
        return self._flagged(Scalar(pointer, self.library.BN_clear_free))

    def _scalar(self) -> Scalar:
        return self._flagged(Scalar(self._made(self.library.BN_new()), self.library.BN_clear_free))

    def _flagged(self, scalar: Scalar) -> Scalar:
        self.library.BN_set_flags(scalar, _CONSTTIME)
        return scalar

    def _point(self) -> Point:
        return Point(self._made(self.library.EC_POINT_new(self._group)), self)

    def _context(self) -> Handle:
        return Handle(self._made(self.library.BN_CTX_new()), self.library.BN_CTX_free)

    def _made(self, pointer: int | None) -> int:
        if pointer is None:
            raise MemoryError
        return pointer

    def _finished(self, point: Point) -> Point:
        if self.library.EC_POINT_is_at_infinity(self._group, point):
            raise ArithmeticFailed(
                f"A computation on {self._name} came to the identity; nothing was released."
            )
        return point

    def _check(self, done: object) -> None:
        if not done:
            # OpenSSL queues errors for the thread; a leftover would surface in somebody else's call.
            self.library.ERR_clear_error()
            raise ArithmeticFailed(f"libcrypto could not compute on {self._name}; nothing was released.")
