"""Names and sizes of the HPKE algorithms (RFC 9180, Section 7, and the IANA registry).

All sizes are bytes. A further KEM is one enum member and one row here, one module
`kem_NAME.py`, and one row in `kem.py`.
"""

from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["Aead", "Kdf", "Kem", "Suite"]


class Kem(IntEnum):
    """Key encapsulation mechanisms, by code point."""

    P256 = 0x0010
    X25519 = 0x0020
    XWING = 0x647A
    """Post-quantum, too: draft-ietf-hpke-pq, MLKEM768-X25519."""

    @property
    def n_enc(self) -> int:
        """Length of an encapsulated key."""
        return _KEM_SIZES[self][0]

    @property
    def n_pk(self) -> int:
        """Length of a public key."""
        return _KEM_SIZES[self][1]

    @property
    def n_sk(self) -> int:
        """Length of a private key."""
        return _KEM_SIZES[self][2]


class Kdf(IntEnum):
    """Key derivation functions, by code point."""

    HKDF_SHA256 = 0x0001
    HKDF_SHA384 = 0x0002
    HKDF_SHA512 = 0x0003


class Aead(IntEnum):
    """Authenticated ciphers, by code point."""

    AES_128_GCM = 0x0001
    AES_256_GCM = 0x0002
    CHACHA20_POLY1305 = 0x0003

    @property
    def n_k(self) -> int:
        """Length of a key."""
        return 16 if self is Aead.AES_128_GCM else 32

    @property
    def n_n(self) -> int:
        """Length of a nonce."""
        return 12

    @property
    def n_t(self) -> int:
        """Length of the tag, by which a ciphertext is longer than its plaintext."""
        return 16


_KEM_SIZES = {
    Kem.P256: (65, 65, 32),
    Kem.X25519: (32, 32, 32),
    Kem.XWING: (1_120, 1_216, 32),
}


@dataclass(frozen=True, slots=True)
class Suite:
    """One choice of KEM, KDF and AEAD."""

    kem: Kem
    kdf: Kdf
    aead: Aead
    n_enc: int = field(init=False, repr=False, compare=False)
    """Length of an encapsulated key."""
    n_pk: int = field(init=False, repr=False, compare=False)
    """Length of a public key."""
    n_k: int = field(init=False, repr=False, compare=False)
    """Length of an AEAD key."""
    n_n: int = field(init=False, repr=False, compare=False)
    """Length of an AEAD nonce."""
    n_t: int = field(init=False, repr=False, compare=False)
    """Length of an AEAD tag."""

    def __post_init__(self) -> None:
        # They are asked for with every message: attributes cost a tenth of properties of an enum's member.
        for name in ("n_enc", "n_pk"):
            object.__setattr__(self, name, getattr(self.kem, name))
        for name in ("n_k", "n_n", "n_t"):
            object.__setattr__(self, name, getattr(self.aead, name))

    def to_bytes(self) -> bytes:
        """Return the three code points, two bytes each, as headers and labels carry them."""
        return b"".join(part.to_bytes(2, "big") for part in (self.kem, self.kdf, self.aead))
