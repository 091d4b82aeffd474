"""Signs with Intel's crypto_mb: eight RSA-2048 operations side by side in AVX-512 registers.

One call takes a little longer than two operations of libcrypto, for one lane or for eight.
So groups of three to eight messages go there, and what is left over goes to libcrypto.

The library exponentiates by CRT with fixed windows, looks its tables up in full, and
branches on nothing secret, which is the constant-time form of RFC 9474, Section 7.1; it
does no blinding and no checking. The check by the public exponent is made here, eight
lanes at a time, before a group's results leave.

Threads: ctypes releases the GIL, the key is never written to after it is laid out, and
scratch memory belongs to one call of `sign` and is wiped at its end.
"""

import ctypes
from collections.abc import Sequence
from typing import TypeAlias

from tacita.crypto.engines import crypto_mb_library
from tacita.crypto.engines.crypto_mb_library import LANES
from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable
from tacita.crypto.engines.libcrypto import LibcryptoSigner
from tacita.crypto.rsa_keys import RsaPrivateKey, RsaPublicKey

__all__ = ["MIN_LANES", "CryptoMbSigner"]

MIN_LANES = 3
"""The fewest messages for which a call is faster than libcrypto (0.71 ms against 0.27 ms each)."""

_BITS = 2048
_SIZE = _BITS // 8

_Pointers: TypeAlias = "ctypes.Array[ctypes.c_void_p]"


class CryptoMbSigner:
    """A `Signer` for keys of 2048 bits on CPUs with AVX512-IFMA."""

    def __init__(self, private_key: RsaPrivateKey) -> None:
        """Lay out `private_key` for the library, and hand it to libcrypto for what is left over.

        Raises:
            SigningUnavailable: the extra `fast` is not installed, the CPU has no AVX512-IFMA, or the
                key is not two primes of 1024 bits.
        """
        numbers = private_key.numbers()
        if not private_key.public_key.n.bit_length() == 2 * numbers.p.bit_length() == _BITS or (
            numbers.q.bit_length() != numbers.p.bit_length()
        ):
            raise SigningUnavailable("crypto_mb signs with 2048-bit keys only; use another engine.")
        self._library = crypto_mb_library.load()
        self._libcrypto = LibcryptoSigner(private_key)
        self.public_key: RsaPublicKey = private_key.public_key
        self.modulus_size: int = _SIZE
        secret = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        # The arrays that the pointers lead to; kept so that they live as long as the signer.
        self._words = [_little_endian(value, _SIZE // 2) for value in secret]
        self._modulus = _little_endian(self.public_key.n, _SIZE)
        self._secret = [_same(words) for words in self._words]
        self._n = _same(self._modulus)

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        """Return the raw signature of each blinded message, in order, each checked.

        Raises:
            OutOfRange: a message is not in the range of the key; nothing was signed.
            SigningFailed: an operation failed or a result does not verify; none is returned.
        """
        for message in blinded:
            self.public_key.require_in_range(message)
        full = len(blinded) - len(blinded) % LANES
        if len(blinded) - full >= MIN_LANES:
            full = len(blinded)
        signatures = self._sign_in_lanes(blinded[:full]) if full else []
        if full < len(blinded):
            signatures += self._libcrypto.sign(blinded[full:])
        return signatures

    def _sign_in_lanes(self, blinded: Sequence[bytes]) -> list[bytes]:
        library = self._library
        scratch = ctypes.create_string_buffer(library.scratch_size)
        messages, results, recovered = (ctypes.create_string_buffer(LANES * _SIZE) for _ in range(3))
        at_messages, at_results, at_recovered = map(_lanes, (messages, results, recovered))
        signatures: list[bytes] = []
        try:
            for start in range(0, len(blinded), LANES):
                group = blinded[start : start + LANES]
                # Idle lanes repeat a message: the library wants eight that it can work on.
                messages.raw = b"".join(group) + group[0] * (LANES - len(group))
                library.private(at_messages, at_results, self._secret, scratch)
                library.public(at_results, at_recovered, self._n, scratch)
                if recovered.raw != messages.raw:
                    raise SigningFailed(
                        "A signature came out wrong and was withheld; check the key and the machine."
                    )
                made = results.raw
                signatures += [made[at * _SIZE : (at + 1) * _SIZE] for at in range(len(group))]
        finally:
            ctypes.memset(scratch, 0, len(scratch))
        return signatures


def _little_endian(value: int, size: int) -> "ctypes.Array[ctypes.c_uint64]":
    """Return `value` as 64-bit words, lowest first, on a boundary of 8 bytes."""
    return (ctypes.c_uint64 * (size // 8)).from_buffer_copy(value.to_bytes(size, "little"))


def _same(words: "ctypes.Array[ctypes.c_uint64]") -> _Pointers:
    """Return the pointers that give `words` to every lane."""
    return (ctypes.c_void_p * LANES)(*[ctypes.addressof(words)] * LANES)


def _lanes(buffer: "ctypes.Array[ctypes.c_char]") -> _Pointers:
    """Return the pointers to the eight parts of `buffer`, which must outlive them."""
    start = ctypes.addressof(buffer)
    return (ctypes.c_void_p * LANES)(*range(start, start + LANES * _SIZE, _SIZE))
