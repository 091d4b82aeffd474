"""EMSA-PSS-ENCODE with SHA-384 and MGF1-SHA-384 (RFC 8017, Sections 9.1.1 and B.2.1).

Only the encoding: a blind signature needs it apart from the private key operation.
Checking an encoding is left to `cryptography`, inside `RSASSA-PSS-VERIFY`.
"""

from hashlib import sha384

__all__ = ["HASH_LENGTH", "encode"]

HASH_LENGTH = 48
"""Bytes in a SHA-384 digest."""


def _mgf1(seed: bytes, length: int) -> bytes:
    blocks = -(-length // HASH_LENGTH)
    return b"".join(sha384(seed + counter.to_bytes(4, "big")).digest() for counter in range(blocks))[:length]


def encode(message: bytes, bits: int, salt: bytes) -> bytes:
    """Return the encoding of `message` whose integer has at most `bits` bits, ceil(bits / 8) bytes long.

    Raises:
        ValueError: `bits` leaves no room for digest and salt (the key is too small: a caller's mistake).
    """
    length = -(-bits // 8)
    padding = length - HASH_LENGTH - len(salt) - 2
    if padding < 0:
        raise ValueError("the modulus is too small for this digest and salt")
    digest = sha384(bytes(8) + sha384(message).digest() + salt).digest()
    block = bytes(padding) + b"\x01" + salt
    mask = int.from_bytes(_mgf1(digest, len(block)), "big")
    masked = int.from_bytes(block, "big") ^ mask
    masked &= (1 << (8 * len(block) - (8 * length - bits))) - 1
    return masked.to_bytes(len(block), "big") + digest + b"\xbc"
