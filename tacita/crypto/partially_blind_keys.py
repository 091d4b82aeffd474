"""One RSA key for each value of public metadata, derived from one published key.

    key = derive_public_key(public_key, metadata)           # anybody
    signatures = PartiallyBlindSigner(private_key).sign(blinded, metadata)

The public exponent is hashed from the metadata and the modulus; the private one is its
inverse, which only whoever knows the primes can compute. Follows the draft that `DRAFT`
names, Sections 4.6 and 4.7; its labels stand beside it, so that a new draft changes one place.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tacita.crypto.engines.libcrypto import LibcryptoKey
from tacita.crypto.rsa_keys import RsaPrivateKey, RsaPublicKey
from tacita.crypto.safe_primes import SafePrimes

__all__ = [
    "CACHED",
    "DRAFT",
    "MESSAGE_LABEL",
    "DerivedPublicKey",
    "PartiallyBlindSigner",
    "derive_public_key",
]

DRAFT = "draft-irtf-cfrg-partially-blind-rsa-01"
"""Until September 2024 draft-amjad-cfrg-partially-blind-rsa; its vectors have held since -02."""

MESSAGE_LABEL = b"msg"
"""Before the metadata in what is signed."""

_KEY_LABEL = b"key"
_HKDF_INFO = b"PBRSA"
_BIAS = 16  # more bytes than the exponent has, so that its bits are hardly biased

CACHED = 256
"""Keys that are kept, for each signer and for verifying: an expiry for each hour of ten days."""


class DerivedPublicKey:
    """The modulus of a published key with the exponent of one value of metadata. Immutable."""

    __slots__ = ("e", "handle", "modulus_size", "n")

    def __init__(self, n: int, e: int) -> None:
        """Take the numbers. Use `derive_public_key` for those of metadata."""
        self.n = n
        self.e = e
        self.modulus_size: int = (n.bit_length() + 7) // 8
        self.handle: RSAPublicKey = RSAPublicNumbers(e, n).public_key()


@lru_cache(CACHED)
def derive_public_key(public_key: RsaPublicKey, metadata: bytes) -> DerivedPublicKey:
    """Return the key under which `metadata` is signed; its exponent is odd, and at most 1022 bits for 2048.

    Follows Section 4.6 of the draft.
    """
    length = public_key.modulus_size // 2
    salt = public_key.n.to_bytes(public_key.modulus_size, "big")
    expand = HKDF(SHA384(), length + _BIAS, salt, _HKDF_INFO)
    expanded = bytearray(expand.derive(_KEY_LABEL + metadata + b"\0"))
    expanded[0] &= 0x3F
    expanded[length - 1] |= 0x01
    return DerivedPublicKey(public_key.n, int.from_bytes(expanded[:length], "big"))


class PartiallyBlindSigner:
    """Signs blinded messages under one key and whatever metadata; safe for several threads at once.

    Keeps the private keys of the `cached` values of metadata that were used last. Deriving one
    costs about as much as one signature. Which metadata may be signed is for the caller to say.
    """

    def __init__(self, private_key: RsaPrivateKey, *, cached: int = CACHED) -> None:
        """Take `private_key`, which `tacita.crypto.safe_primes.generate` has made.

        Raises:
            NotSafePrimes: it was made in another way.
            SigningUnavailable: libcrypto is missing or too old.
        """
        self.public_key: RsaPublicKey = private_key.public_key
        self.modulus_size: int = private_key.public_key.modulus_size
        self._primes = SafePrimes.of(private_key)
        self._cached = cached
        self._keys: OrderedDict[bytes, LibcryptoKey] = OrderedDict()
        self._lock = threading.Lock()

    def sign(self, blinded: Sequence[bytes], metadata: bytes) -> list[bytes]:
        """Return the raw signature of each blinded message, in order, each checked.

        Follows Section 4.3 of the draft.

        Raises:
            OutOfRange: a message is not in the range of the key; nothing was signed.
            SigningFailed: an operation failed or a result does not verify; none is returned.
        """
        for message in blinded:
            self.public_key.require_in_range(message)
        return self._derived(metadata).sign(blinded) if blinded else []

    def _derived(self, metadata: bytes) -> LibcryptoKey:
        with self._lock:
            key = self._keys.get(metadata)
            if key is None:
                exponent = derive_public_key(self.public_key, metadata).e
                key = LibcryptoKey(self._primes.private_key(exponent), self.modulus_size)
                self._keys[metadata] = key
                if len(self._keys) > self._cached:
                    # Whoever signs with it holds it; libcrypto wipes it when the last one is done.
                    self._keys.popitem(last=False)
            self._keys.move_to_end(metadata)
            return key
