"""DHKEM(X25519, HKDF-SHA256), code point 0x0020 (RFC 9180, Section 7.1)."""

import os

from cryptography.hazmat.primitives.asymmetric import x25519

from tacita.crypto.hpke.dhkem import Dhkem
from tacita.crypto.hpke.errors import InvalidKey
from tacita.crypto.hpke.suites import Kem

__all__ = ["X25519PrivateKey", "X25519PublicKey", "derive_private", "load_private", "load_public"]

_SIZE = 32
_DHKEM = Dhkem(Kem.X25519)


def _exchange(private: x25519.X25519PrivateKey, public: x25519.X25519PublicKey) -> bytes:
    try:
        return private.exchange(public)
    except ValueError:
        # libcrypto refuses the all-zero result, as Section 7.1.4 demands.
        raise InvalidKey("A key exchange has an all-zero result; the public key is of small order.") from None


class X25519PublicKey:
    """A recipient's public key."""

    __slots__ = ("_encoded", "_key")

    def __init__(self, key: x25519.X25519PublicKey) -> None:
        self._key = key
        self._encoded = key.public_bytes_raw()

    def to_bytes(self) -> bytes:
        """Return the 32 bytes of the u-coordinate."""
        return self._encoded

    def encapsulate(self, ephemeral: bytes | None) -> tuple[bytes, bytes]:
        """Return (shared secret, enc); `ephemeral` is a private key of 32 bytes, fresh if None."""
        private = load_private(os.urandom(_SIZE) if ephemeral is None else ephemeral)
        enc = private.public_key().to_bytes()
        return _DHKEM.shared_secret(_exchange(private.key, self._key), enc, self._encoded), enc


class X25519PrivateKey:
    """A private key, with its parsed form and its public key at hand."""

    __slots__ = ("_public", "key")

    def __init__(self, key: x25519.X25519PrivateKey) -> None:
        self.key = key
        self._public = X25519PublicKey(key.public_key())

    def to_bytes(self) -> bytes:
        """Return the 32 bytes of the clamped scalar."""
        return self.key.private_bytes_raw()

    def public_key(self) -> X25519PublicKey:
        """Return the public key."""
        return self._public

    def decapsulate(self, enc: bytes) -> bytes:
        """Return the shared secret. Raises `InvalidKey`."""
        if len(enc) != _SIZE:
            raise InvalidKey("An encapsulated X25519 key is exactly 32 bytes.")
        dh = _exchange(self.key, x25519.X25519PublicKey.from_public_bytes(enc))
        return _DHKEM.shared_secret(dh, enc, self._public.to_bytes())


def load_private(data: bytes) -> X25519PrivateKey:
    """Return the private key of 32 bytes, clamped (Section 7.1.2). Raises `InvalidKey`."""
    if len(data) != _SIZE:
        raise InvalidKey("An X25519 private key is exactly 32 bytes.")
    clamped = bytes((data[0] & 0xF8, *data[1:31], data[31] & 0x7F | 0x40))
    return X25519PrivateKey(x25519.X25519PrivateKey.from_private_bytes(clamped))


def load_public(data: bytes) -> X25519PublicKey:
    """Return the public key of 32 bytes. Raises `InvalidKey`."""
    if len(data) != _SIZE:
        raise InvalidKey("An X25519 public key is exactly 32 bytes.")
    return X25519PublicKey(x25519.X25519PublicKey.from_public_bytes(data))


def derive_private(ikm: bytes) -> X25519PrivateKey:
    """DeriveKeyPair (Section 7.1.3). Raises `InvalidKey` if `ikm` is under 32 bytes."""
    return load_private(_DHKEM.derive(_DHKEM.derive_prk(ikm), b"sk", b""))
