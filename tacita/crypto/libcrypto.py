"""The system's OpenSSL 3: found, checked for its version, and bound by ctypes.

Each user of it lists the functions that it calls, with their types, and gets a library
of its own with exactly these. ctypes releases the GIL for the time of a call, unless
the user says that its calls are too short for that.
"""

import ctypes
import ctypes.util
from collections.abc import Callable, Mapping

from tacita.errors import ConfigError

__all__ = ["Handle", "LibcryptoUnavailable", "Signatures", "load"]

_OPENSSL_3 = 0x3000_0000

Signatures = Mapping[str, tuple[object, list[object]]]
"""For each function its result type and its argument types, as ctypes has them."""


class LibcryptoUnavailable(ConfigError):
    """There is no OpenSSL 3 on this machine, or it lacks a function that we need."""


def load(signatures: Signatures, *, hold_gil: bool = False) -> ctypes.CDLL:
    """Return libcrypto with the functions of `signatures` typed.

    With `hold_gil` calls keep the GIL: right for those of a microsecond or two, for which handing it to
    another thread and waiting to have it back would cost more than they do.

    Raises:
        LibcryptoUnavailable: it is missing, older than OpenSSL 3, or lacks a function.
    """
    name = ctypes.util.find_library("crypto")
    if name is None:
        raise LibcryptoUnavailable("libcrypto is not on this machine; install the package libssl3.")
    try:
        library = ctypes.PyDLL(name) if hold_gil else ctypes.CDLL(name)
        library.OpenSSL_version_num.restype = ctypes.c_ulong
        version = library.OpenSSL_version_num()
        for function, (result, arguments) in signatures.items():
            entry = getattr(library, function)
            entry.restype, entry.argtypes = result, arguments
    except (OSError, AttributeError):
        raise LibcryptoUnavailable("libcrypto cannot be used; install OpenSSL 3 (package libssl3).") from None
    if version < _OPENSSL_3:
        raise LibcryptoUnavailable("libcrypto is older than OpenSSL 3; install the package libssl3.")
    return library


class Handle:
    """Something that libcrypto allocated, freed when this object goes.

    It is passed to functions as it is. A call holds its arguments, so nothing is freed under it.
    """

    __slots__ = ("_as_parameter_", "_free")

    def __init__(self, pointer: int, free: Callable[[int], None]) -> None:
        self._as_parameter_ = pointer
        self._free = free

    def __del__(self) -> None:
        self._free(self._as_parameter_)
