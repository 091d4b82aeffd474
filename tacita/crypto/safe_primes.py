"""RSA keys whose primes are safe (p = 2p' + 1 with p' prime), and private exponents derived from them.

With such a key every odd public exponent below p' has an inverse, so a signer can use one
exponent for each value of public metadata (draft-irtf-cfrg-partially-blind-rsa, Section 4.1).

All that touches a secret runs in libcrypto, inversion in the form that branches on nothing
secret; Python holds the numbers as bytes and does not compute with them.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable
from tacita.crypto.libcrypto import Handle, LibcryptoUnavailable, Signatures, load
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.errors import ConfigError

__all__ = ["NotSafePrimes", "Progress", "SafePrimes", "generate"]

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of candidates that were looked at so far. What it raises ends the search."""

_BITS = 2048
_EXPONENT = 65537
_CONSTANT_TIME = 0x04  # BN_FLG_CONSTTIME
_CANDIDATE = 0  # the first argument of a callback of BN_generate_prime_ex when it has drawn a candidate

_BN = ctypes.c_void_p
_INT = ctypes.c_int
_CALLBACK = ctypes.CFUNCTYPE(_INT, _INT, _INT, ctypes.c_void_p)
_SIGNATURES: Signatures = {
    "BN_new": (_BN, []),
    "BN_dup": (_BN, [_BN]),
    "BN_clear_free": (None, [_BN]),
    "BN_CTX_new": (ctypes.c_void_p, []),
    "BN_CTX_free": (None, [ctypes.c_void_p]),
    "BN_GENCB_new": (ctypes.c_void_p, []),
    "BN_GENCB_free": (None, [ctypes.c_void_p]),
    "BN_GENCB_set": (None, [ctypes.c_void_p, _CALLBACK, ctypes.c_void_p]),
    "BN_generate_prime_ex": (_INT, [_BN, _INT, _INT, _BN, _BN, ctypes.c_void_p]),
    "BN_check_prime": (_INT, [_BN, ctypes.c_void_p, ctypes.c_void_p]),
    "BN_bin2bn": (_BN, [ctypes.c_char_p, _INT, _BN]),
    "BN_bn2binpad": (_INT, [_BN, ctypes.c_char_p, _INT]),
    "BN_cmp": (_INT, [_BN, _BN]),
    "BN_num_bits": (_INT, [_BN]),
    "BN_set_flags": (None, [_BN, _INT]),
    "BN_sub_word": (_INT, [_BN, ctypes.c_ulong]),
    "BN_rshift1": (_INT, [_BN, _BN]),
    "BN_mul": (_INT, [_BN, _BN, _BN, ctypes.c_void_p]),
    "BN_mod_inverse": (_BN, [_BN, _BN, _BN, ctypes.c_void_p]),
    "ERR_clear_error": (None, []),
}


class NotSafePrimes(ConfigError):
    """A private key is not of two safe primes, so it cannot sign under public metadata."""


def generate(bits: int = _BITS, *, progress: Progress | None = None) -> RsaPrivateKey:
    """Return a new key of two safe primes. Takes seconds, so do it ahead of need; the GIL is free meanwhile.

    Follows draft-irtf-cfrg-partially-blind-rsa, Section 4.1. The key's file looks like that of any
    other RSA key; it MUST NOT be used for another token type.

    Raises:
        SigningUnavailable: libcrypto is missing or too old.
    """
    arithmetic = _arithmetic()
    search = _Search(progress)
    p = arithmetic.safe_prime(bits // 2, search)
    q = arithmetic.safe_prime(bits // 2, search)
    while arithmetic.same(p, q):
        q = arithmetic.safe_prime(bits // 2, search)
    der = SafePrimes(p, q).private_key(_EXPONENT)
    key = serialization.load_der_private_key(der, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return RsaPrivateKey(key)


class SafePrimes:
    """Two safe primes, from which the private key of any exponent follows."""

    def __init__(self, p: Handle, q: Handle) -> None:
        """Take two numbers of libcrypto. Use `of` for those of a key."""
        self._arithmetic = _arithmetic()
        self._p, self._q = p, q

    @classmethod
    def of(cls, key: RsaPrivateKey) -> "SafePrimes":
        """Return the primes of `key`, checked. Takes some hundredths of a second.

        Raises:
            NotSafePrimes: one of them is not a safe prime.
            SigningUnavailable: libcrypto is missing or too old.
        """
        arithmetic = _arithmetic()
        numbers = key.numbers()
        p, q = arithmetic.number(numbers.p), arithmetic.number(numbers.q)
        if arithmetic.same(p, q) or not all(map(arithmetic.is_safe_prime, (p, q))):
            raise NotSafePrimes(
                "A key is not made of two safe primes, as token type 0xDA7A demands; make one for it."
            )
        return cls(p, q)

    def private_key(self, exponent: int) -> bytes:
        """Return the key of the odd public `exponent` as RSAPrivateKey (RFC 8017, Section A.1.2) in DER.

        Raises:
            SigningFailed: the exponent has no inverse, which no odd one below half a prime lacks.
        """
        bn = self._arithmetic
        e = bn.number(exponent)
        p_less, q_less = bn.less_one(self._p), bn.less_one(self._q)
        values = (
            bn.product(self._p, self._q),
            e,
            bn.inverse(e, bn.product(p_less, q_less)),
            self._p,
            self._q,
            bn.inverse(e, p_less),
            bn.inverse(e, q_less),
            bn.inverse(self._q, self._p),
        )
        return _sequence(b"\x02\x01\x00" + b"".join(_integer(bn.encode(value)) for value in values))


class _Search:
    """Counts candidates for `progress`, and keeps what it raises until libcrypto has returned."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._candidates = 0
        self.error: BaseException | None = None
        self.callback = _CALLBACK(self._step)

    def _step(self, what: int, _number: int, _callback: object) -> int:
        if what == _CANDIDATE and self._progress is not None:
            self._candidates += 1
            try:
                self._progress(self._candidates)
            except BaseException as error:
                self.error = error
                return 0
        return 1


class _Arithmetic:
    """Numbers of libcrypto. Each is wiped when its handle goes."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def number(self, value: int) -> Handle:
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return self._own(self._library.BN_bin2bn(data, len(data), None))

    def encode(self, number: Handle) -> bytes:
        """Return `number` big-endian, with at least one zero bit in front, as DER has positive integers."""
        size = self._library.BN_num_bits(number) // 8 + 1
        data = ctypes.create_string_buffer(size)
        self._require(self._library.BN_bn2binpad(number, data, size) == size)
        content = data.raw
        ctypes.memset(data, 0, size)
        return content

    def same(self, one: Handle, other: Handle) -> bool:
        return bool(self._library.BN_cmp(one, other) == 0)

    def less_one(self, number: Handle) -> Handle:
        copy = self._own(self._library.BN_dup(number))
        self._require(self._library.BN_sub_word(copy, 1))
        return copy

    def product(self, one: Handle, other: Handle) -> Handle:
        result = self._own(self._library.BN_new())
        self._require(self._library.BN_mul(result, one, other, self._context()))
        return result

    def inverse(self, number: Handle, modulus: Handle) -> Handle:
        """Return the inverse of `number` in a time that depends on neither."""
        result = self._own(self._library.BN_new())
        self._library.BN_set_flags(number, _CONSTANT_TIME)
        self._library.BN_set_flags(modulus, _CONSTANT_TIME)
        self._require(self._library.BN_mod_inverse(result, number, modulus, self._context()))
        return result

    def is_safe_prime(self, number: Handle) -> bool:
        half = self._own(self._library.BN_new())
        self._require(self._library.BN_rshift1(half, number))
        context = self._context()
        return all(self._library.BN_check_prime(one, context, None) == 1 for one in (half, number))

    def safe_prime(self, bits: int, search: _Search) -> Handle:
        """Return a safe prime whose two highest bits are set, so that a product of two is not short."""
        prime = self._own(self._library.BN_new())
        callback = Handle(self._library.BN_GENCB_new(), self._library.BN_GENCB_free)
        self._library.BN_GENCB_set(callback, search.callback, None)
        found = self._library.BN_generate_prime_ex(prime, bits, 1, None, None, callback)
        if search.error is not None:
            self._library.ERR_clear_error()
            raise search.error
        self._require(found)
        return prime

    def _context(self) -> Handle:
        return Handle(self._library.BN_CTX_new(), self._library.BN_CTX_free)

    def _own(self, pointer: int | None) -> Handle:
        self._require(pointer)
        assert pointer is not None
        return Handle(pointer, self._library.BN_clear_free)

    def _require(self, result: object) -> None:
        if not result:
            self._library.ERR_clear_error()
            raise SigningFailed("libcrypto could not compute with a key; check the key and the machine.")


@cache
def _arithmetic() -> _Arithmetic:
    try:
        return _Arithmetic(load(_SIGNATURES))
    except LibcryptoUnavailable as unavailable:
        raise SigningUnavailable(str(unavailable)) from None


def _integer(content: bytes) -> bytes:
    return b"\x02" + _length(len(content)) + content


def _sequence(content: bytes) -> bytes:
    return b"\x30" + _length(len(content)) + content


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(length),)) + length
