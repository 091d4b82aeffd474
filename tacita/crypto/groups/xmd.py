"""Bytes that look random, from a message and a domain: expand_message_xmd (RFC 9380, Section 5.3.1)."""

import hashlib

__all__ = ["expand"]

_MAX_DOMAIN = 255


def expand(hash_name: str, message: bytes, domain: bytes, length: int) -> bytes:
    """Return `length` bytes, at most 255 times what the hash function gives.

    Raises:
        ValueError: `length` is larger (a caller's mistake).
    """
    digest = hashlib.new(hash_name)
    rounds = -(-length // digest.digest_size)
    if rounds > 255:
        raise ValueError("more bytes than expand_message_xmd gives")
    if len(domain) > _MAX_DOMAIN:  # Section 5.3.3
        domain = hashlib.new(hash_name, b"H2C-OVERSIZE-DST-" + domain).digest()
    suffix = domain + bytes((len(domain),))
    first = hashlib.new(
        hash_name, bytes(digest.block_size) + message + length.to_bytes(2, "big") + b"\0" + suffix
    ).digest()
    block, blocks = bytes(len(first)), []
    for number in range(1, rounds + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = hashlib.new(hash_name, mixed + bytes((number,)) + suffix).digest()
        blocks.append(block)
    return b"".join(blocks)[:length]
