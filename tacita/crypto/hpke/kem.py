"""What a KEM module offers, and which module stands for which code point.

A KEM need not be Diffie-Hellman: a private key is whatever `load_private` accepts,
an encapsulated key has `Kem.n_enc` bytes, and `ephemeral` is the KEM's own input to
a repeatable encapsulation (for the DHKEMs, the ephemeral private key), if it has one.
"""

from typing import Protocol

from tacita.crypto.hpke import kem_p256, kem_x25519, kem_xwing
from tacita.crypto.hpke.suites import Kem

__all__ = ["KemModule", "KemPrivateKey", "KemPublicKey", "module"]


class KemPublicKey(Protocol):
    """Encapsulates to one recipient."""

    def to_bytes(self) -> bytes:
        """SerializePublicKey."""
        ...

    def encapsulate(self, ephemeral: bytes | None) -> tuple[bytes, bytes]:
        """Encap: return (shared secret, enc).

        Raises:
            InvalidKey: there is no secret result, or `ephemeral` is no key.
            ValueError: this KEM has no use for `ephemeral`.
        """
        ...


class KemPrivateKey(Protocol):
    """Decapsulates for one recipient."""

    def to_bytes(self) -> bytes:
        """SerializePrivateKey."""
        ...

    def public_key(self) -> KemPublicKey:
        """Return the public half."""
        ...

    def decapsulate(self, enc: bytes) -> bytes:
        """Decap: return the shared secret. Raises `InvalidKey`."""
        ...


class KemModule(Protocol):
    """The functions that each `kem_NAME.py` has."""

    def load_private(self, data: bytes, /) -> KemPrivateKey:
        """DeserializePrivateKey. Raises `InvalidKey`."""
        ...

    def load_public(self, data: bytes, /) -> KemPublicKey:
        """DeserializePublicKey. Raises `InvalidKey`."""
        ...

    def derive_private(self, ikm: bytes, /) -> KemPrivateKey:
        """DeriveKeyPair. Raises `InvalidKey`."""
        ...


_MODULES: dict[Kem, KemModule] = {
    Kem.P256: kem_p256,
    Kem.X25519: kem_x25519,
    Kem.XWING: kem_xwing,
}


def module(kem: Kem) -> KemModule:
    """Return the implementation of `kem`."""
    return _MODULES[kem]
