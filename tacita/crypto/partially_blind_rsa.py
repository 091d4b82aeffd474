"""Partially blind RSA signatures: the message stays hidden, the metadata is seen by both sides.

    prepared = prepare(variant, message)
    blinded, inverse = blind(variant, public_key, prepared, metadata)   # blinded goes to the signer
    blind_signature = blind_sign(signer, blinded, metadata)             # on the other side
    signature = finalize(variant, public_key, prepared, metadata, blind_signature, inverse)
    message = verify(variant, public_key, prepared, metadata, signature)

It is RFC 9474 with another public exponent for each value of the metadata, and with the
metadata in front of the message. One key is published, with exponent 65537, which is never
used itself. `tacita.crypto.partially_blind_keys` derives exponents and names the draft.
"""

import os

from tacita.crypto import blind_rsa
from tacita.crypto.blind_rsa import (
    PREFIX_LENGTH,
    BlindingFailed,
    InvalidSignature,
    OutOfRange,
    RandomBytes,
    SigningFailed,
    Variant,
    prepare,
)
from tacita.crypto.partially_blind_keys import MESSAGE_LABEL, PartiallyBlindSigner, derive_public_key
from tacita.crypto.rsa_keys import RsaPublicKey

__all__ = [
    "BlindingFailed",
    "InvalidSignature",
    "OutOfRange",
    "PartiallyBlindSigner",
    "SigningFailed",
    "Variant",
    "blind",
    "blind_sign",
    "finalize",
    "prepare",
    "verify",
]


def blind(
    variant: Variant,
    public_key: RsaPublicKey,
    prepared: bytes,
    metadata: bytes,
    *,
    rng: RandomBytes = os.urandom,
) -> tuple[bytes, int]:
    """Return the blinded message, as long as the modulus, and the inverse that `finalize` wants back.

    Draws as `tacita.crypto.blind_rsa.blind` does. Follows Section 4.2 of the draft.

    Raises:
        BlindingFailed: the key is unsound; get another.
    """
    return blind_rsa.blind(
        variant, derive_public_key(public_key, metadata), _with_metadata(prepared, metadata), rng=rng
    )


def blind_sign(signer: PartiallyBlindSigner, blinded: bytes, metadata: bytes) -> bytes:
    """Return the blind signature of one blinded message (Section 4.3 of the draft).

    Raises:
        OutOfRange: the blinded message is not one for this key.
        SigningFailed: nothing was released.
    """
    return signer.sign([blinded], metadata)[0]


def finalize(  # noqa: PLR0917 - the inputs and their order are the draft's
    variant: Variant,
    public_key: RsaPublicKey,
    prepared: bytes,
    metadata: bytes,
    blind_signature: bytes,
    inverse: int,
) -> bytes:
    """Unblind, verify and return the signature (Section 4.4 of the draft).

    Raises:
        InvalidSignature: the signer answered with the wrong length or another signature.
    """
    return blind_rsa.finalize(
        variant,
        derive_public_key(public_key, metadata),
        _with_metadata(prepared, metadata),
        blind_signature,
        inverse,
    )


def verify(
    variant: Variant, public_key: RsaPublicKey, prepared: bytes, metadata: bytes, signature: bytes
) -> bytes:
    """Return the message that `signature` is for: `prepared` without its random prefix.

    Follows Section 4.5 of the draft. The exponent has half as many bits as the modulus, so this
    takes some 30 times as long as with 65537.

    Raises:
        InvalidSignature: it is not a signature under this metadata, or the prefix is missing.
    """
    if variant.randomized and len(prepared) < PREFIX_LENGTH:
        raise InvalidSignature("A signature or its message has the wrong length.")
    blind_rsa.verify(
        variant, derive_public_key(public_key, metadata), _with_metadata(prepared, metadata), signature
    )
    return prepared[PREFIX_LENGTH:] if variant.randomized else prepared


def _with_metadata(prepared: bytes, metadata: bytes) -> bytes:
    return MESSAGE_LABEL + len(metadata).to_bytes(4, "big") + metadata + prepared
