"""An AEAD under nonces that count up (RFC 9180, Section 5.2).

HPKE contexts are such sequences, and so are the chunks of a chunked OHTTP response.
"""

from cryptography.exceptions import InvalidTag

from tacita.crypto.hpke.aead import Cipher
from tacita.crypto.hpke.errors import MessageLimitReached, OpenFailed

__all__ = ["OpeningSequence", "SealingSequence"]


class _Sequence:
    """A cipher and the position in its nonces: the base nonce XOR 0, 1, 2, …"""

    __slots__ = ("_base_nonce", "_cipher", "_limit", "_n_n", "_position")

    def __init__(self, cipher: Cipher, base_nonce: bytes) -> None:
        self._cipher = cipher
        self._n_n = len(base_nonce)
        self._base_nonce = int.from_bytes(base_nonce, "big")
        self._position = 0
        # The last number is never used: to increment it would be to wrap.
        self._limit = (1 << 8 * self._n_n) - 1

    def _nonce(self) -> bytes:
        if self._position >= self._limit:
            raise MessageLimitReached("The context has no nonces left; set up a new one.")
        return (self._base_nonce ^ self._position).to_bytes(self._n_n, "big")


class SealingSequence(_Sequence):
    """Seals messages one after the other."""

    __slots__ = ()

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        """Return the next ciphertext, 16 bytes longer than `plaintext`.

        Raises:
            MessageLimitReached: there are no nonces left.
        """
        sealed = self._cipher.encrypt(self._nonce(), plaintext, aad)
        self._position += 1
        return sealed


class OpeningSequence(_Sequence):
    """Opens what a `SealingSequence` sealed, in the same order."""

    __slots__ = ()

    def open(self, aad: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of the next ciphertext. A failure leaves the position as it was.

        Raises:
            OpenFailed: it is not what was sealed at this position with this `aad`.
            MessageLimitReached: there are no nonces left.
        """
        try:
            plaintext = self._cipher.decrypt(self._nonce(), ciphertext, aad)
        except InvalidTag:
            raise OpenFailed("A ciphertext does not open; it was damaged or sealed otherwise.") from None
        self._position += 1
        return plaintext
