"""Signs with the big numbers of the system's OpenSSL 3: the fastest engine without special hardware.

OpenSSL's own RSA raises each result to the public exponent and, where that does not fit,
tries in another way, whose result nobody looks at. So its check cannot stand in for ours, and
with it every signature is checked twice. Here the operation is put together from the parts that
OpenSSL's consists of, with one check, of the very bytes that leave:

    hidden    = message * r^e mod n                         (base blinding)
    at_p, at_q = hidden^dp mod p, hidden^dq mod q           (two exponentiations in one call)
    signature = (at_q + q * ((at_p - at_q) / q mod p)) / r
    message  == signature^e mod n, or nothing is released

RFC 9474, Section 7.1 asks for protection against timing and against faults. The exponentiations
(by AVX512-IFMA where the CPU has it) take the same time and touch the same memory for all
operands, and the reductions and multiplications around them are Montgomery's, without a branch
on their operands. What libcrypto does depending on how many words a number has depends
on random numbers only, since r hides the message, which a peer chose.

Threads: a key is never written to after it is read. What one call of `sign` writes to is its own; it is
kept for the next one, with the factor r, which is squared after each use and drawn anew now and then.
"""

import ctypes
from collections import deque
from collections.abc import Sequence

from tacita.crypto.engines.bignum import Numbers, arithmetic, failure
from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable
from tacita.crypto.rsa_keys import RsaPrivateKey, RsaPublicKey

__all__ = ["LibcryptoKey", "LibcryptoSigner"]

_FACTOR_USES = 32
"""How often r is squared before it is drawn anew: as often as OpenSSL does (BN_BLINDING_COUNTER)."""

_PARTS = (
    b"n",
    b"e",
    b"rsa-factor1",
    b"rsa-factor2",
    b"rsa-exponent1",
    b"rsa-exponent2",
    b"rsa-coefficient1",
)


class LibcryptoSigner:
    """A `Signer` on OpenSSL's big numbers."""

    def __init__(self, private_key: RsaPrivateKey) -> None:
        """Hand `private_key` to libcrypto.

        Raises:
            SigningUnavailable: libcrypto is missing, too old, or does not take the key.
        """
        self.public_key: RsaPublicKey = private_key.public_key
        self.modulus_size: int = private_key.public_key.modulus_size
        self._key = LibcryptoKey(private_key.to_der(), self.modulus_size)

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        """Return the raw signature of each blinded message, in order, each checked.

        Raises:
            OutOfRange: a message is not in the range of the key; nothing was signed.
            SigningFailed: an operation failed or a result does not verify; none is returned.
        """
        for message in blinded:
            self.public_key.require_in_range(message)
        return self._key.sign(blinded)


class LibcryptoKey:
    """A private key inside libcrypto, of whatever public exponent, without a look at the messages."""

    def __init__(self, der: bytes, modulus_size: int) -> None:
        """Read RSAPrivateKey (RFC 8017, Section A.1.2) whose modulus has `modulus_size` bytes.

        Raises:
            SigningUnavailable: libcrypto is missing, too old, or does not take the key, or its primes
                are not of one length.
        """
        self.modulus_size = modulus_size
        self._numbers = numbers = Numbers()
        self.n, self.e, self.p, self.q, self.dp, self.dq, inverse = _read(der, numbers)
        self.at_n, self.at_p, self.at_q = map(numbers.montgomery, (self.n, self.p, self.q))
        self.q_inverse = numbers.secret()  # in Montgomery's form
        short = arithmetic().short
        if not short.BN_to_montgomery(self.q_inverse, inverse, self.at_p, numbers.context):
            raise failure()
        self._idle: deque[_Work] = deque()

    def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return the raw signature of each message, in order, each checked by the public exponent.

        Each message MUST be as long as the modulus and below it.

        Raises:
            SigningFailed: an operation failed or a result does not verify; none is returned.
        """
        try:
            work = self._idle.pop()
        except IndexError:
            work = _Work(self)
        signatures = [work.sign(message) for message in messages]
        self._idle.append(work)  # not after a failure: nobody knows what is in it then
        return signatures


class _Work:
    """What one signature at a time is made in. `key` outlives each call."""

    def __init__(self, key: LibcryptoKey) -> None:
        self._key = key
        self._size = key.modulus_size
        self._long, self._short = arithmetic().long, arithmetic().short
        self._numbers = numbers = Numbers()
        self._context = numbers.context
        self._message, self._recovered = numbers.plain(), numbers.plain()
        self._a, self._b, self._c = (numbers.secret() for _ in range(3))
        # r^e and 1/r in Montgomery's form, so that one multiplication each applies them.
        self._hide, self._reveal = numbers.secret(), numbers.secret()
        self._left = 0
        self._bytes = ctypes.create_string_buffer(self._size)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`, checked. Raises `SigningFailed`."""
        if not self._left:
            self._draw_factor()
        self._left -= 1
        if not (self._load(message) and self._exponentiate() and self._combine() and self._step_factor()):
            raise failure()
        signature = self._bytes.raw
        self._check(signature, message)
        return signature

    def _load(self, message: bytes) -> object:
        """Have `a` and `b` be the hidden message mod p and mod q."""
        key, short, context, hidden = self._key, self._short, self._context, self._c
        return (
            short.BN_bin2bn(message, self._size, self._message)
            and short.BN_mod_mul_montgomery(hidden, self._message, self._hide, key.at_n, context)
            # Division by Montgomery's R and multiplication with it: a reduction without BN_div.
            and short.BN_from_montgomery(self._a, hidden, key.at_p, context)
            and short.BN_to_montgomery(self._a, self._a, key.at_p, context)
            and short.BN_from_montgomery(self._b, hidden, key.at_q, context)
            and short.BN_to_montgomery(self._b, self._b, key.at_q, context)
        )

    def _exponentiate(self) -> object:
        key = self._key
        return self._long.BN_mod_exp_mont_consttime_x2(
            *(self._a, self._a, key.dp, key.p, key.at_p),
            *(self._b, self._b, key.dq, key.q, key.at_q),
            self._context,
        )

    def _combine(self) -> object:
        """Put together what `a` and `b` have become (Garner), reveal it, and write it down."""
        key, short, context, a, b, c = self._key, self._short, self._context, self._a, self._b, self._c
        return (
            short.BN_mod_mul_montgomery(a, a, key.q_inverse, key.at_p, context)
            and short.BN_mod_mul_montgomery(c, b, key.q_inverse, key.at_p, context)
            # p - c is positive, so that no branch is taken on which of the two is larger.
            and short.BN_sub(c, key.p, c)
            and short.BN_mod_add_quick(a, a, c, key.p)
            and short.BN_mul(c, a, key.q, context)
            and short.BN_add(c, c, b)
            and short.BN_mod_mul_montgomery(c, c, self._reveal, key.at_n, context)
            and short.BN_bn2binpad(c, self._bytes, self._size) == self._size
        )

    def _check(self, signature: bytes, message: bytes) -> None:
        """Raise `SigningFailed` unless `signature` is one of `message`."""
        key, short, number = self._key, self._short, self._recovered
        recovered = self._bytes
        if not (
            short.BN_bin2bn(signature, self._size, number)
            and self._long.BN_mod_exp_mont(number, number, key.e, key.n, self._context, key.at_n)
            and short.BN_bn2binpad(number, recovered, self._size) == self._size
        ):
            raise failure()
        if recovered.raw != message:
            raise SigningFailed("A signature came out wrong and was withheld; check the key and the machine.")

    def _draw_factor(self) -> None:
        key, long, short, context = self._key, self._long, self._short, self._context
        if not (
            short.BN_priv_rand_range(self._a, key.n)
            and long.BN_mod_inverse(self._reveal, self._a, key.n, context)
            and long.BN_mod_exp_mont(self._hide, self._a, key.e, key.n, context, key.at_n)
            and short.BN_to_montgomery(self._reveal, self._reveal, key.at_n, context)
            and short.BN_to_montgomery(self._hide, self._hide, key.at_n, context)
        ):
            raise failure()
        self._left = _FACTOR_USES

    def _step_factor(self) -> object:
        """Square r, in both of its forms."""
        short, at_n, context = self._short, self._key.at_n, self._context
        return short.BN_mod_mul_montgomery(
            self._hide, self._hide, self._hide, at_n, context
        ) and short.BN_mod_mul_montgomery(self._reveal, self._reveal, self._reveal, at_n, context)


def _read(der: bytes, numbers: Numbers) -> list[int]:
    """Return the numbers of a private key in the order of `_PARTS`, owned by `numbers`."""
    short = arithmetic().short
    start = ctypes.c_char_p(der)
    key = short.d2i_AutoPrivateKey(None, ctypes.byref(start), len(der))
    parts = []
    try:
        for name in _PARTS:
            part = ctypes.c_void_p()
            if key is None or not short.EVP_PKEY_get_bn_param(key, name, ctypes.byref(part)):
                short.ERR_clear_error()
                raise SigningUnavailable("libcrypto does not take the private key; make a new one.")
            parts.append(numbers.take(part.value))
    finally:
        short.EVP_PKEY_free(key)  # which takes NULL, too
    for secret in parts[2:]:
        numbers.mark_secret(secret)
    p, q = parts[2:4]
    if short.BN_num_bits(p) != short.BN_num_bits(q) or not (short.BN_is_odd(p) and short.BN_is_odd(q)):
        raise SigningUnavailable("A private key is not of two odd primes of one length; make a new one.")
    return parts
