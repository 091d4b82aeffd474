"""Key pairs of any KEM (RFC 9180, Sections 4 and 7.1)."""

import hmac
import os
from collections.abc import Callable

from tacita.crypto.hpke import kem as kems
from tacita.crypto.hpke.suites import Kem

__all__ = ["PrivateKey", "PublicKey"]


class PublicKey:
    """A recipient's public key; equal to another one of the same KEM and bytes."""

    __slots__ = ("_kem", "_key")

    def __init__(self, kem: Kem, key: kems.KemPublicKey) -> None:
        self._kem = kem
        self._key = key

    @classmethod
    def from_bytes(cls, kem: Kem, data: bytes) -> "PublicKey":
        """Return the key that `data` (exactly `kem.n_pk` bytes) stands for. Raises `InvalidKey`."""
        return cls(kem, kems.module(kem).load_public(data))

    @property
    def kem(self) -> Kem:
        """The KEM that the key belongs to."""
        return self._kem

    def to_bytes(self) -> bytes:
        """Return the `kem.n_pk` bytes of the key."""
        return self._key.to_bytes()

    def encapsulate(self, ephemeral: bytes | None = None) -> tuple[bytes, bytes]:
        """Encap: return (shared secret, enc).

        `ephemeral` replaces fresh randomness so that vectors replay; X-Wing raises `ValueError` for
        one. Raises `InvalidKey`.
        """
        return self._key.encapsulate(ephemeral)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return self._kem == other._kem and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash((self._kem, self.to_bytes()))

    def __repr__(self) -> str:
        return f"<PublicKey {self._kem.name}>"


class PrivateKey:
    """A recipient's private key. Parsed once: loading costs as much as an exchange."""

    __slots__ = ("_kem", "_key", "_public")

    def __init__(self, kem: Kem, key: kems.KemPrivateKey) -> None:
        self._kem = kem
        self._key = key
        self._public = PublicKey(kem, key.public_key())

    @classmethod
    def from_bytes(cls, kem: Kem, data: bytes) -> "PrivateKey":
        """Return the key that `data` (exactly `kem.n_sk` bytes) stands for. Raises `InvalidKey`."""
        return cls(kem, kems.module(kem).load_private(data))

    @classmethod
    def derive(cls, kem: Kem, ikm: bytes) -> "PrivateKey":
        """DeriveKeyPair: return the key that at least `kem.n_sk` secret bytes give. Raises `InvalidKey`."""
        return cls(kem, kems.module(kem).derive_private(ikm))

    @classmethod
    def generate(cls, kem: Kem, *, random: Callable[[int], bytes] = os.urandom) -> "PrivateKey":
        """Return a fresh key, derived from `kem.n_sk` bytes of `random` (Section 7.1.3 allows this)."""
        return cls.derive(kem, random(kem.n_sk))

    @property
    def kem(self) -> Kem:
        """The KEM that the key belongs to."""
        return self._kem

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public

    def to_bytes(self) -> bytes:
        """Return the `kem.n_sk` secret bytes of the key."""
        return self._key.to_bytes()

    def decapsulate(self, enc: bytes) -> bytes:
        """Decap: return the shared secret of an encapsulated key. Raises `InvalidKey`."""
        return self._key.decapsulate(enc)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateKey):
            return NotImplemented
        return self._kem == other._kem and hmac.compare_digest(self.to_bytes(), other.to_bytes())

    def __hash__(self) -> int:
        return hash(self._public)

    def __repr__(self) -> str:
        return f"<PrivateKey {self._kem.name}>"
