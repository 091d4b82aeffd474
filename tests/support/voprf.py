"""The scalar that an issuer drew for a proof, found again by who knows its private key."""

from typing import Any

from tacita.privacypass.types.voprf import PrivateKey

__all__ = ["proof_scalar"]


def proof_scalar(private: PrivateKey, proof: bytes) -> bytes:
    """Return the nonce behind `proof` (response = nonce - challenge * key), for a replay byte for byte."""
    group: Any = private.suite.group
    half = group.scalar_length
    challenge, response = group.decode_scalar(proof[:half]), group.decode_scalar(proof[half:])
    nonce = group.add_scalars(response, group.multiply_scalars(challenge, private.key.scalar))
    return bytes(group.encode_scalar(nonce))
