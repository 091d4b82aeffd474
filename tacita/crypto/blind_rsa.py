"""RSA blind signatures (RFC 9474): the client's half, and verification.

    prepared = prepare(variant, message)
    blinded, inverse = blind(variant, public_key, prepared)     # blinded goes to the signer
    blind_signature = blind_sign(signer, blinded)               # on the other side
    signature = finalize(variant, public_key, prepared, blind_signature, inverse)
    message = verify(variant, public_key, prepared, signature)

Randomness comes from `rng`, a function from a number of bytes to that many, in the order
in which the docstrings name it, so that the vectors replay through these functions.
"""

import os
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from cryptography import exceptions
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA384

from tacita.crypto import emsa_pss, modular
from tacita.crypto.rsa_keys import OutOfRange, PublicNumbers
from tacita.crypto.signer import Signer, SigningFailed
from tacita.errors import CryptoError

__all__ = [
    "PREFIX_LENGTH",
    "BlindingFailed",
    "InvalidSignature",
    "OutOfRange",
    "RandomBytes",
    "SigningFailed",
    "Variant",
    "blind",
    "blind_sign",
    "finalize",
    "prepare",
    "verify",
]

RandomBytes: TypeAlias = Callable[[int], bytes]
"""Returns as many random bytes as it is asked for, like `os.urandom`."""

PREFIX_LENGTH = 32
"""Random bytes before the message in the randomized variants (RFC 9474, Section 4.1)."""

_SHA384 = SHA384()
_ATTEMPTS = 128


class BlindingFailed(CryptoError):
    """No blinding factor fits, or the message shares a divisor with the modulus: the key is unsound."""

    clause = "RFC 9474, Section 4.2"


class InvalidSignature(CryptoError):
    """The signature is not one of this message under this key."""

    clause = "RFC 9474, Section 4.4"


class Variant(Enum):
    """The four named variants of RFC 9474, Section 5."""

    PSS_RANDOMIZED = "RSABSSA-SHA384-PSS-Randomized"
    PSSZERO_RANDOMIZED = "RSABSSA-SHA384-PSSZERO-Randomized"
    PSS_DETERMINISTIC = "RSABSSA-SHA384-PSS-Deterministic"
    PSSZERO_DETERMINISTIC = "RSABSSA-SHA384-PSSZERO-Deterministic"

    def __init__(self, title: str) -> None:
        self.salt_length: int = 0 if "PSSZERO" in title else emsa_pss.HASH_LENGTH
        self.randomized: bool = title.endswith("Randomized")
        # Made once: building these objects costs as much as a tenth of a verification.
        self.padding = padding.PSS(padding.MGF1(_SHA384), self.salt_length)


def prepare(variant: Variant, message: bytes, *, rng: RandomBytes = os.urandom) -> bytes:
    """Return what is signed in place of `message` (RFC 9474, Section 4.1).

    Draws the 32-byte prefix of the randomized variants.
    """
    return rng(PREFIX_LENGTH) + message if variant.randomized else message


def blind(
    variant: Variant, public_key: PublicNumbers, prepared: bytes, *, rng: RandomBytes = os.urandom
) -> tuple[bytes, int]:
    """Return the blinded message, as long as the modulus, and the inverse that `finalize` wants back.

    Draws the salt, if the variant has one, then the blinding factor, big-endian and as long as
    the modulus, again until it fits. Follows RFC 9474, Section 4.2.

    Raises:
        BlindingFailed: the key is unsound; get another.
    """
    n = public_key.n
    # The clause says bit_len(n), RFC 8017 verifies with one bit less; the vectors, too.
    encoded = emsa_pss.encode(prepared, n.bit_length() - 1, rng(variant.salt_length))
    message = int.from_bytes(encoded, "big")
    if not modular.is_coprime(message, n):
        raise BlindingFailed("The message and the modulus share a divisor; get another key.")
    for _ in range(_ATTEMPTS):
        factor = int.from_bytes(rng(public_key.modulus_size), "big")
        factor &= (1 << n.bit_length()) - 1
        if not 0 < factor < n:
            continue
        try:
            inverse = modular.inverse(factor, n)
        except ValueError:
            continue
        blinded = message * modular.power(factor, public_key.e, n) % n
        return blinded.to_bytes(public_key.modulus_size, "big"), inverse
    raise BlindingFailed("No blinding factor was found for the key; get another.")


def blind_sign(signer: Signer, blinded: bytes) -> bytes:
    """Return the blind signature of one blinded message (RFC 9474, Section 4.3).

    Raises:
        OutOfRange: the blinded message is not one for this key.
        SigningFailed: nothing was released.
    """
    return signer.sign([blinded])[0]


def finalize(
    variant: Variant, public_key: PublicNumbers, prepared: bytes, blind_signature: bytes, inverse: int
) -> bytes:
    """Unblind, verify and return the signature (RFC 9474, Section 4.4).

    Raises:
        InvalidSignature: the signer answered with the wrong length or another signature.
    """
    if len(blind_signature) != public_key.modulus_size:
        raise InvalidSignature("A blind signature is not as long as the modulus.")
    value = int.from_bytes(blind_signature, "big") * inverse % public_key.n
    signature = value.to_bytes(public_key.modulus_size, "big")
    verify(variant, public_key, prepared, signature)
    return signature


def verify(variant: Variant, public_key: PublicNumbers, prepared: bytes, signature: bytes) -> bytes:
    """Return the message that `signature` is for: `prepared` without its random prefix.

    Follows RFC 9474, Section 4.5.

    Raises:
        InvalidSignature: it is not a signature, or the prefix is missing.
    """
    if len(signature) != public_key.modulus_size or (variant.randomized and len(prepared) < PREFIX_LENGTH):
        raise InvalidSignature("A signature or its message has the wrong length.")
    try:
        public_key.handle.verify(signature, prepared, variant.padding, _SHA384)
    except exceptions.InvalidSignature:
        raise InvalidSignature("A signature does not verify under this key.") from None
    return prepared[PREFIX_LENGTH:] if variant.randomized else prepared
