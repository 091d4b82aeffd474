"""The random numbers of the ARC draft's vectors, made again from their seed.

The vectors were made with one stream of SHAKE128. Secrets of the protocol are drawn below
order - 1, and the blindings of proofs below the order: each from 48 bytes, reduced.
"""

import hashlib

__all__ = ["VectorStream"]

_SEED = b"test vector seed".ljust(32, b"\0")
_NAME = b"sigma-proofs/TestDRNG/SHAKE128".ljust(168, b"\0")
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class VectorStream:
    """Gives the scalars of the vectors in the order in which they were drawn, 32 bytes each."""

    def __init__(self) -> None:
        self._offset = 0

    def secrets(self, count: int) -> list[bytes]:
        """Return the next `count` secrets of the protocol."""
        return [self._draw(_ORDER - 1) for _ in range(count)]

    def blindings(self, count: int) -> list[bytes]:
        """Return the next `count` blindings of a proof."""
        return [self._draw(_ORDER) for _ in range(count)]

    def _draw(self, modulus: int) -> bytes:
        end = self._offset + 48
        data = hashlib.shake_128(_NAME + _SEED).digest(end)[self._offset :]
        self._offset = end
        return (int.from_bytes(data, "big") % modulus).to_bytes(32, "big")
