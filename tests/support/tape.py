"""Randomness that was decided beforehand, for replaying vectors."""

from collections.abc import Iterator

__all__ = ["Tape"]


class Tape:
    """Stands in for `os.urandom`: hands out `pieces` in order, each of which must be as long as asked."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)

    def __call__(self, length: int) -> bytes:
        piece = next(self._pieces)
        assert len(piece) == length, "the code asks for another length than the vector has"
        return piece

    def finish(self) -> None:
        """Fail if something was not asked for."""
        assert next(self._pieces, None) is None, "the code asks for less randomness than the vector has"
