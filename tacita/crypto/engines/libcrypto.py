"""Signs with the system's OpenSSL 3 through ctypes: the fastest engine without special hardware.

libcrypto brings what RFC 9474, Section 7.1 asks for: base blinding, constant-time
exponentiation by CRT, and a comparison of its own. The result is still checked here, by
the public exponent, before it leaves. (When OpenSSL finds a CRT result wrong it repeats
the operation with the plain private exponent, so a damaged CRT parameter alone shows as
slowness, a damaged key as `SigningFailed`.)

Threads: ctypes releases the GIL, so signatures run in parallel. The key is never changed
after it is read, and OpenSSL guards the blinding and Montgomery caches inside it with
its own locks. Contexts and buffers are made for one call of `sign` and belong to it.
"""

import ctypes
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from tacita.crypto.engines.errors import SigningFailed, SigningUnavailable
from tacita.crypto.libcrypto import LibcryptoUnavailable, Signatures, load
from tacita.crypto.rsa_keys import RsaPrivateKey, RsaPublicKey

__all__ = ["LibcryptoKey", "LibcryptoSigner"]

_NO_PADDING = 3

_POINTER = ctypes.c_void_p
_SIZE = ctypes.POINTER(ctypes.c_size_t)
_SIGNATURES: Signatures = {
    "d2i_AutoPrivateKey": (_POINTER, [_POINTER, ctypes.POINTER(ctypes.c_char_p), ctypes.c_long]),
    "EVP_PKEY_free": (None, [_POINTER]),
    "EVP_PKEY_CTX_new": (_POINTER, [_POINTER, _POINTER]),
    "EVP_PKEY_CTX_free": (None, [_POINTER]),
    "EVP_PKEY_CTX_set_rsa_padding": (ctypes.c_int, [_POINTER, ctypes.c_int]),
    "EVP_PKEY_sign_init": (ctypes.c_int, [_POINTER]),
    "EVP_PKEY_sign": (ctypes.c_int, [_POINTER, ctypes.c_char_p, _SIZE, ctypes.c_char_p, ctypes.c_size_t]),
    "EVP_PKEY_verify_recover_init": (ctypes.c_int, [_POINTER]),
    "EVP_PKEY_verify_recover": (
        ctypes.c_int,
        [_POINTER, ctypes.c_char_p, _SIZE, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "ERR_clear_error": (None, []),
}


@cache
def _library() -> ctypes.CDLL:
    try:
        return load(_SIGNATURES)
    except LibcryptoUnavailable as unavailable:
        raise SigningUnavailable(str(unavailable)) from None


class LibcryptoSigner:
    """A `Signer` on OpenSSL's private key operation."""

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
            self.public_key.representative(message)
        return self._key.sign(blinded)


class LibcryptoKey:
    """A private key inside libcrypto, of whatever public exponent, without a look at the messages."""

    def __init__(self, der: bytes, modulus_size: int) -> None:
        """Read RSAPrivateKey (RFC 8017, Section A.1.2) whose modulus has `modulus_size` bytes.

        Raises:
            SigningUnavailable: libcrypto is missing, too old, or does not take the key.
        """
        self.modulus_size = modulus_size
        self._library = _library()
        start = ctypes.c_char_p(der)
        handle = self._library.d2i_AutoPrivateKey(None, ctypes.byref(start), len(der))
        if handle is None:
            self._library.ERR_clear_error()
            raise SigningUnavailable("libcrypto does not take the private key; make a new one.")
        self._handle: int = handle
        weakref.finalize(self, self._library.EVP_PKEY_free, handle)

    def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return the raw signature of each message, in order, each checked by the public exponent.

        Each message MUST be as long as the modulus and below it.

        Raises:
            SigningFailed: an operation failed or a result does not verify; none is returned.
        """
        length = self.modulus_size
        sign, recover = self._library.EVP_PKEY_sign, self._library.EVP_PKEY_verify_recover
        signature = ctypes.create_string_buffer(length)
        recovered = ctypes.create_string_buffer(length)
        size = ctypes.c_size_t(length)  # of the buffer before a call, of what it wrote after it
        at_size = ctypes.byref(size)
        results: list[bytes] = []
        with self._context("sign") as signing, self._context("verify_recover") as checking:
            for message in messages:
                if sign(signing, signature, at_size, message, length) != 1 or size.value != length:
                    raise self._failure()
                result = signature.raw
                if recover(checking, recovered, at_size, result, length) != 1 or size.value != length:
                    raise self._failure()
                if recovered.raw != message:
                    raise SigningFailed(
                        "A signature came out wrong and was withheld; check the key and the machine."
                    )
                results.append(result)
        return results

    @contextmanager
    def _context(self, operation: str) -> Iterator[int]:
        library = self._library
        context = library.EVP_PKEY_CTX_new(self._handle, None)
        try:
            if (
                context is None
                or getattr(library, f"EVP_PKEY_{operation}_init")(context) != 1
                or library.EVP_PKEY_CTX_set_rsa_padding(context, _NO_PADDING) != 1
            ):
                raise self._failure()
            yield context
        finally:
            library.EVP_PKEY_CTX_free(context)  # which takes NULL, too

    def _failure(self) -> SigningFailed:
        # OpenSSL queues errors for the thread; a leftover would surface in somebody else's call.
        self._library.ERR_clear_error()
        return SigningFailed("libcrypto could not sign; nothing was released. Check the key and the machine.")
