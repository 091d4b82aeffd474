"""The authenticated ciphers of RFC 9180, Section 7.3, from `cryptography`."""

from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tacita.crypto.hpke.suites import Aead

__all__ = ["Cipher", "cipher"]


class Cipher(Protocol):
    """An AEAD under one key. `decrypt` raises `cryptography.exceptions.InvalidTag`."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return the ciphertext, 16 bytes longer than `data`."""
        ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext."""
        ...


def cipher(aead: Aead, key: bytes) -> Cipher:
    """Return the cipher `aead` under `key` (exactly `aead.n_k` bytes)."""
    if len(key) != aead.n_k:
        raise ValueError("the key has another length than the AEAD's")
    return ChaCha20Poly1305(key) if aead is Aead.CHACHA20_POLY1305 else AESGCM(key)
