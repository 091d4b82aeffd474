"""How chunks stand on the wire (chunked draft -08, Sections 4 and 5): lengths, no cryptography.

Each chunk has its length before it, as a QUIC integer in any of its forms. A length of
zero begins the final chunk, which lasts to the end of the stream. The splitter holds at
most one sealed chunk, and refuses a length before it holds any byte of that chunk.
"""

from tacita.errors import DecodeError
from tacita.wire import varint

__all__ = ["MAX_CHUNK", "ChunkSplitter", "InvalidChunk", "MissingFinalChunk", "frame", "frame_final"]

MAX_CHUNK = 16_384
"""Bytes of plaintext in a chunk: what every receiver accepts, and so what we send at most (Section 3)."""

TAG_SIZE = 16
"""Bytes that each AEAD of HPKE adds."""

_MAX_SEALED = MAX_CHUNK + TAG_SIZE


class InvalidChunk(DecodeError):
    """A chunk has a length that none may have."""


class MissingFinalChunk(DecodeError):
    """The stream ended outside the final chunk."""


def frame(sealed: bytes) -> bytes:
    """Return a non-final sealed chunk with its length before it."""
    return varint.encode(len(sealed)) + sealed


def frame_final(sealed: bytes) -> bytes:
    """Return the final sealed chunk behind its indicator."""
    return b"\0" + sealed


class ChunkSplitter:
    """Takes a stream apart into sealed chunks."""

    __slots__ = ("_buffer", "_final", "_need")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = 0  # bytes of the chunk that is being read; 0: a length comes next
        self._final = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the non-final chunks that `data` completes.

        Raises:
            InvalidChunk: a chunk is shorter than a tag and one byte, or longer than
                `MAX_CHUNK` and a tag.
        """
        buffer = self._buffer
        buffer += data
        chunks: list[bytes] = []
        offset = 0
        while not self._final:
            if not self._need:
                head = bytes(buffer[offset : offset + 8])
                if not head or len(head) < 1 << (head[0] >> 6):
                    break
                length, size = varint.decode(head)
                offset += size
                if length == 0:
                    self._final = True
                    break
                # A tag alone would be an empty plaintext: a decryption error (Section 6).
                if not TAG_SIZE < length <= _MAX_SEALED:
                    raise InvalidChunk("A chunk has a length that none may have.")
                self._need = length
            if len(buffer) - offset < self._need:
                break
            chunks.append(bytes(buffer[offset : offset + self._need]))
            offset += self._need
            self._need = 0
        del buffer[:offset]
        if self._final and len(buffer) > _MAX_SEALED:
            raise InvalidChunk("A final chunk is longer than any may be.")
        return chunks

    def finish(self) -> bytes:
        """Return the final sealed chunk, now that the stream has ended.

        Raises:
            MissingFinalChunk: the stream was cut.
            InvalidChunk: the final chunk is shorter than a tag.
        """
        if not self._final:
            raise MissingFinalChunk("A chunked message ended before its final chunk.")
        if len(self._buffer) < TAG_SIZE:
            raise InvalidChunk("A final chunk is shorter than a tag.")
        return bytes(self._buffer)
