"""libcrypto's numbers (BIGNUM), as the private key operation wants them: its functions, and who frees what.

Functions are in two sets. Exponentiations and inversions take long enough for other threads to
run meanwhile, so they release the GIL; everything else is over in a microsecond and keeps it.

Functions return 0 (or NULL) when they fail, which they only do for want of memory.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable
from tacita.crypto.libcrypto import Handle, LibcryptoUnavailable, Signatures, load

__all__ = ["Arithmetic", "Numbers", "arithmetic", "failure"]

_CONSTANT_TIME = 0x04  # BN_FLG_CONSTTIME

_POINTER = ctypes.c_void_p
_INT = ctypes.c_int
_LONG_CALLS: Signatures = {
    "BN_mod_exp_mont": (_INT, [_POINTER] * 6),
    "BN_mod_exp_mont_consttime_x2": (_INT, [_POINTER] * 11),
    "BN_mod_inverse": (_POINTER, [_POINTER] * 4),
}
_SHORT_CALLS: Signatures = {
    "d2i_AutoPrivateKey": (_POINTER, [_POINTER, ctypes.POINTER(ctypes.c_char_p), ctypes.c_long]),
    "EVP_PKEY_free": (None, [_POINTER]),
    "EVP_PKEY_get_bn_param": (_INT, [_POINTER, ctypes.c_char_p, ctypes.POINTER(_POINTER)]),
    "BN_new": (_POINTER, []),
    "BN_clear_free": (None, [_POINTER]),
    "BN_CTX_new": (_POINTER, []),
    "BN_CTX_free": (None, [_POINTER]),
    "BN_MONT_CTX_new": (_POINTER, []),
    "BN_MONT_CTX_set": (_INT, [_POINTER] * 3),
    "BN_MONT_CTX_free": (None, [_POINTER]),
    "BN_set_flags": (None, [_POINTER, _INT]),
    "BN_num_bits": (_INT, [_POINTER]),
    "BN_is_odd": (_INT, [_POINTER]),
    "BN_bin2bn": (_POINTER, [ctypes.c_char_p, _INT, _POINTER]),
    "BN_bn2binpad": (_INT, [_POINTER, ctypes.c_char_p, _INT]),
    "BN_priv_rand_range": (_INT, [_POINTER] * 2),
    "BN_to_montgomery": (_INT, [_POINTER] * 4),
    "BN_from_montgomery": (_INT, [_POINTER] * 4),
    "BN_mod_mul_montgomery": (_INT, [_POINTER] * 5),
    "BN_mod_add_quick": (_INT, [_POINTER] * 4),
    "BN_sub": (_INT, [_POINTER] * 3),
    "BN_add": (_INT, [_POINTER] * 3),
    "BN_mul": (_INT, [_POINTER] * 4),
    "ERR_clear_error": (None, []),
}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """libcrypto twice: `long` releases the GIL, `short` does not."""

    long: ctypes.CDLL
    short: ctypes.CDLL


@cache
def arithmetic() -> Arithmetic:
    """Return libcrypto. Raises `SigningUnavailable` where it is missing or too old."""
    try:
        return Arithmetic(load(_LONG_CALLS), load(_SHORT_CALLS, hold_gil=True))
    except LibcryptoUnavailable as unavailable:
        raise SigningUnavailable(str(unavailable)) from None


class Numbers:
    """Makes numbers and what belongs to them, and frees all of it, wiped, when it goes.

    What its methods return are bare pointers, which cost least to pass and live as long as it does.
    """

    def __init__(self) -> None:
        self._library = arithmetic().short
        self._kept: list[Handle] = []
        self.context: int = self._keep(self._library.BN_CTX_new(), self._library.BN_CTX_free)
        """Scratch space (BN_CTX), for one thread at a time."""

    def secret(self) -> int:
        """Return a new number with the mark that has libcrypto use its constant-time forms."""
        return self.mark_secret(self.plain())

    def plain(self) -> int:
        """Return a new number that anybody may know."""
        return self.take(self._library.BN_new())

    def take(self, number: int | None) -> int:
        """Own `number`, which libcrypto has allocated."""
        return self._keep(number, self._library.BN_clear_free)

    def mark_secret(self, number: int) -> int:
        """Put the same mark on `number`, and return it."""
        self._library.BN_set_flags(number, _CONSTANT_TIME)
        return number

    def montgomery(self, modulus: int) -> int:
        """Return what Montgomery multiplication by `modulus`, which is odd, wants to know of it."""
        constants = self._keep(self._library.BN_MONT_CTX_new(), self._library.BN_MONT_CTX_free)
        if not self._library.BN_MONT_CTX_set(constants, modulus, self.context):
            raise failure()
        return constants

    def _keep(self, pointer: int | None, free: Callable[[int], None]) -> int:
        if not pointer:
            raise failure()
        self._kept.append(Handle(pointer, free))
        return pointer


def failure() -> SigningFailed:
    """Return the error for a call that failed, with libcrypto's own account of it dropped."""
    # It queues errors for the thread; a leftover would surface in somebody else's call.
    arithmetic().short.ERR_clear_error()
    return SigningFailed("libcrypto could not sign; nothing was released. Check the key and the machine.")
