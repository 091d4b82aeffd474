"""Intel's crypto_mb as the wheel `ipp-crypto` brings it: found, loaded, and its few functions typed.

The shared object lists runtime libraries of Intel's compiler that it never calls; the wheel
`intel-cmplr-lib-rt` has them. Wheels put both into a folder in which the dynamic linker
does not look, so what is listed is loaded first, by path. (libcrypto.so.3 is the system's.)
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import Any

from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable

__all__ = ["LANES", "CryptoMbLibrary", "load"]

LANES = 8
"""Operations that one call works on."""

_BITS = 2048
_RUNTIME = ("libintlc.so.5", "libimf.so", "libirng.so", "libsvml.so")
_LIBRARY = "libcrypto_mb.so"
_AVX512_IFMA = 0x1_0000_0000  # mbcpCPUID_AVX512IFMA in crypto_mb/cpu_features.h
_RSA_2K = 1  # MBX_ALGO_RSA_2K, likewise

_POINTER = ctypes.c_void_p


class CryptoMbLibrary:
    """The library's two operations on RSA-2048. Pointers are arrays of eight, numbers 64-bit words."""

    def __init__(self, handle: ctypes.CDLL) -> None:
        """Type the functions of `handle`. Raises `AttributeError` where one is missing."""
        arrays: list[Any] = [ctypes.POINTER(_POINTER)]
        tail: list[Any] = [ctypes.c_int, _POINTER, _POINTER]
        self._private = handle.mbx_rsa_private_crt_mb8
        self._private.restype, self._private.argtypes = ctypes.c_uint32, arrays * 7 + tail
        self._public = handle.mbx_rsa_public_mb8
        self._public.restype, self._public.argtypes = ctypes.c_uint32, arrays * 3 + tail
        method = ctypes.CFUNCTYPE(_POINTER, ctypes.c_int)
        self._private_method = method(("mbx_RSA_private_crt_Method", handle))(_BITS)
        self._public_method = method(("mbx_RSA_pub65537_Method", handle))(_BITS)
        size = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER)(("mbx_RSA_Method_BufSize", handle))
        self.scratch_size: int = max(size(self._private_method), size(self._public_method))
        """Bytes of scratch memory that either operation wants."""

    def private(
        self,
        source: "ctypes.Array[ctypes.c_void_p]",
        target: "ctypes.Array[ctypes.c_void_p]",
        key: "Sequence[ctypes.Array[ctypes.c_void_p]]",
        scratch: "ctypes.Array[ctypes.c_char]",
    ) -> None:
        """Raise eight big-endian numbers to the private exponent; `key` is p, q, dp, dq and 1/q mod p.

        Raises:
            SigningFailed: the library could not.
        """
        _require_ok(self._private(source, target, *key, _BITS, self._private_method, scratch))

    def public(
        self,
        source: "ctypes.Array[ctypes.c_void_p]",
        target: "ctypes.Array[ctypes.c_void_p]",
        modulus: "ctypes.Array[ctypes.c_void_p]",
        scratch: "ctypes.Array[ctypes.c_char]",
    ) -> None:
        """Raise eight big-endian numbers to the power 65537. Raises `SigningFailed` as `private`."""
        _require_ok(self._public(source, target, modulus, _BITS, self._public_method, scratch))


@cache
def load() -> CryptoMbLibrary:
    """Return the library.

    Raises:
        SigningUnavailable: a wheel is missing or does not load, or the CPU has no AVX512-IFMA.
    """
    try:
        for name in _RUNTIME:
            ctypes.CDLL(_path("intel-cmplr-lib-rt", name))
        handle = ctypes.CDLL(_path("ipp-crypto", _LIBRARY))
        features = ctypes.CFUNCTYPE(ctypes.c_uint64)(("mbx_get_cpu_features", handle))()
        width = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_int)(("mbx_get_algo_info", handle))(_RSA_2K)
        # It would run on AVX2 with IFMA, too; nobody has measured whether that is worth it.
        if not features & _AVX512_IFMA or not width & LANES:
            raise SigningUnavailable("The CPU has no AVX512-IFMA, which crypto_mb wants; use another engine.")
        return CryptoMbLibrary(handle)
    except (OSError, AttributeError):
        raise SigningUnavailable(
            "crypto_mb does not load; it wants the extra `fast` and the system's libcrypto.so.3."
        ) from None


def _path(distribution: str, name: str) -> str:
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise SigningUnavailable("crypto_mb is not installed; install the extra `fast`.") from None
    for file in files:
        if file.name == name:
            return str(file.locate())
    raise SigningUnavailable("crypto_mb is installed in part; install the extra `fast` again.")


def _require_ok(status: int) -> None:
    # Four bits for each lane. A lane only fails for what this process passed in wrong.
    if status:
        raise SigningFailed("crypto_mb could not sign; nothing was released. Check the key and the machine.")
