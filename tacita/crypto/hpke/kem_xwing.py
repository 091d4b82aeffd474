"""X-Wing, the hybrid of ML-KEM-768 and X25519, code point 0x647a (draft-connolly-cfrg-xwing-kem-10).

draft-ietf-hpke-pq-04 calls it MLKEM768-X25519 and is followed in how a key pair is derived, where the
former has another rule, without a label; a private key, which is a seed of 32 bytes, means the same
to both. What is recorded today stays closed to a quantum computer as long as ML-KEM holds, and to
everything else as long as either of the two does.

As in the draft, an X25519 result of zeros is not refused: the secret then rests on ML-KEM alone,
which is what whoever chose such a point has chosen for themselves. So only lengths can be wrong.
"""

import hashlib

from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

from tacita.crypto.hpke.errors import InvalidKey
from tacita.crypto.hpke.suites import Kem

__all__ = ["XWingPrivateKey", "XWingPublicKey", "derive_private", "load_private", "load_public"]

_SEED_SIZE = Kem.XWING.n_sk
_ML_KEM_KEY_SIZE = 1_184
_ML_KEM_ENC_SIZE = 1_088
_COMBINER_LABEL = rb"\.//^" + b"\\"

# LabeledDerive of a one-stage KDF (draft-ietf-hpke-hpke, Section 4) begins with the input itself.
_DERIVE_LABEL = b"DeriveKeyPair"
_DERIVE_SUFFIX = b"".join(
    (
        b"HPKE-v1KEM" + Kem.XWING.to_bytes(2, "big"),
        len(_DERIVE_LABEL).to_bytes(2, "big") + _DERIVE_LABEL,
        _SEED_SIZE.to_bytes(2, "big"),
    )
)


def _exchange(private: x25519.X25519PrivateKey, public: x25519.X25519PublicKey) -> bytes:
    try:
        return private.exchange(public)
    except ValueError:
        return bytes(32)


class XWingPublicKey:
    """A recipient's public key: that of ML-KEM, then that of X25519."""

    __slots__ = ("_combiner_suffix", "_encoded", "_ml_kem", "_x25519")

    def __init__(self, ml_kem: mlkem.MLKEM768PublicKey, curve: x25519.X25519PublicKey) -> None:
        self._ml_kem = ml_kem
        self._x25519 = curve
        point = curve.public_bytes_raw()
        self._encoded = ml_kem.public_bytes_raw() + point
        self._combiner_suffix = point + _COMBINER_LABEL

    def to_bytes(self) -> bytes:
        """Return both keys, 1,216 bytes."""
        return self._encoded

    def encapsulate(self, ephemeral: bytes | None) -> tuple[bytes, bytes]:
        """Return (shared secret, enc).

        Raises:
            ValueError: `ephemeral` is given; `cryptography` takes no randomness for ML-KEM from us.
        """
        if ephemeral is not None:
            raise ValueError("an encapsulation of X-Wing cannot be repeated")
        private = x25519.X25519PrivateKey.generate()
        point = private.public_key().public_bytes_raw()
        secret, enc = self._ml_kem.encapsulate()
        return self.combine(secret, _exchange(private, self._x25519), point), enc + point

    def combine(self, ml_kem: bytes, curve: bytes, point: bytes) -> bytes:
        """Return the shared secret that two secrets and the ephemeral X25519 `point` make."""
        return hashlib.sha3_256(ml_kem + curve + point + self._combiner_suffix).digest()


class XWingPrivateKey:
    """A private key, expanded: what the seed gives is computed once, and ML-KEM's part is most of it."""

    __slots__ = ("_ml_kem", "_public", "_seed", "_x25519")

    def __init__(self, seed: bytes) -> None:
        expanded = hashlib.shake_256(seed).digest(96)
        self._seed = seed
        self._ml_kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self._x25519 = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
        self._public = XWingPublicKey(self._ml_kem.public_key(), self._x25519.public_key())

    def to_bytes(self) -> bytes:
        """Return the seed, 32 bytes."""
        return self._seed

    def public_key(self) -> XWingPublicKey:
        """Return the public key."""
        return self._public

    def decapsulate(self, enc: bytes) -> bytes:
        """Return the shared secret. Raises `InvalidKey`."""
        if len(enc) != Kem.XWING.n_enc:
            raise InvalidKey("An encapsulated X-Wing key is exactly 1,120 bytes.")
        point = enc[_ML_KEM_ENC_SIZE:]
        # A ciphertext that was tampered with has a secret, too: one that nobody else knows.
        secret = self._ml_kem.decapsulate(enc[:_ML_KEM_ENC_SIZE])
        curve = _exchange(self._x25519, x25519.X25519PublicKey.from_public_bytes(point))
        return self._public.combine(secret, curve, point)


def load_private(data: bytes) -> XWingPrivateKey:
    """Return the private key of a 32-byte seed. Raises `InvalidKey`."""
    if len(data) != _SEED_SIZE:
        raise InvalidKey("An X-Wing private key is exactly 32 bytes.")
    return XWingPrivateKey(bytes(data))


def load_public(data: bytes) -> XWingPublicKey:
    """Return the public key of 1,216 bytes. Raises `InvalidKey`."""
    if len(data) != Kem.XWING.n_pk:
        raise InvalidKey("An X-Wing public key is exactly 1,216 bytes.")
    try:
        # With the modulus check of FIPS 203, Section 7.2.
        ml_kem = mlkem.MLKEM768PublicKey.from_public_bytes(data[:_ML_KEM_KEY_SIZE])
    except ValueError:
        raise InvalidKey("An X-Wing public key holds no ML-KEM-768 key.") from None
    return XWingPublicKey(ml_kem, x25519.X25519PublicKey.from_public_bytes(data[_ML_KEM_KEY_SIZE:]))


def derive_private(ikm: bytes) -> XWingPrivateKey:
    """DeriveKeyPair (draft-ietf-hpke-pq, Section 4). Raises `InvalidKey` if `ikm` is under 32 bytes."""
    if len(ikm) < _SEED_SIZE:
        raise InvalidKey("The input keying material is shorter than a private key; draw a longer one.")
    return XWingPrivateKey(hashlib.shake_256(ikm + _DERIVE_SUFFIX).digest(_SEED_SIZE))
