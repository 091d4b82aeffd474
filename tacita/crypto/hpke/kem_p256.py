"""DHKEM(P-256, HKDF-SHA256), code point 0x0010 (RFC 9180, Section 7.1)."""

import os

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tacita.crypto.hpke.dhkem import Dhkem
from tacita.crypto.hpke.errors import InvalidKey
from tacita.crypto.hpke.suites import Kem

__all__ = ["P256PrivateKey", "P256PublicKey", "derive_private", "load_private", "load_public"]

_CURVE = ec.SECP256R1()
_ECDH = ec.ECDH()
_ORDER = _CURVE.group_order
_POINT_SIZE = 65
_SCALAR_SIZE = 32
_DHKEM = Dhkem(Kem.P256)


def _load_point(data: bytes) -> ec.EllipticCurvePublicKey:
    # The form is ours to check, for the library reads compressed points too. That the
    # point is on the curve, and not the identity, is the library's part.
    if len(data) != _POINT_SIZE or data[0] != 0x04:
        raise InvalidKey("A P-256 public key is an uncompressed point of exactly 65 bytes.")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, data)
    except ValueError:
        raise InvalidKey("A P-256 public key is not a point of the curve.") from None


class P256PublicKey:
    """A recipient's public key."""

    __slots__ = ("_encoded", "_key")

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key
        self._encoded = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def to_bytes(self) -> bytes:
        """Return the uncompressed point, 65 bytes."""
        return self._encoded

    def encapsulate(self, ephemeral: bytes | None) -> tuple[bytes, bytes]:
        """Return (shared secret, enc); `ephemeral` is a private key of 32 bytes, fresh if None."""
        private = derive_private(os.urandom(_SCALAR_SIZE)) if ephemeral is None else load_private(ephemeral)
        enc = private.public_key().to_bytes()
        return _DHKEM.shared_secret(private.key.exchange(_ECDH, self._key), enc, self._encoded), enc


class P256PrivateKey:
    """A private key, with its parsed form and its public key at hand."""

    __slots__ = ("_public", "key")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key = key
        self._public = P256PublicKey(key.public_key())

    def to_bytes(self) -> bytes:
        """Return the scalar, 32 bytes."""
        return self.key.private_numbers().private_value.to_bytes(_SCALAR_SIZE, "big")

    def public_key(self) -> P256PublicKey:
        """Return the public key."""
        return self._public

    def decapsulate(self, enc: bytes) -> bytes:
        """Return the shared secret. Raises `InvalidKey`, when the exchange would have been done as well."""
        try:
            point = _load_point(enc)
        except InvalidKey:
            self.key.exchange(_ECDH, self.key.public_key())
            raise
        dh = self.key.exchange(_ECDH, point)
        return _DHKEM.shared_secret(dh, enc, self._public.to_bytes())


def load_private(data: bytes) -> P256PrivateKey:
    """Return the private key of a 32-byte scalar in [1, order). Raises `InvalidKey`."""
    scalar = int.from_bytes(data, "big")
    if len(data) != _SCALAR_SIZE or not 0 < scalar < _ORDER:
        raise InvalidKey("A P-256 private key is 32 bytes, above zero and below the group's order.")
    return P256PrivateKey(ec.derive_private_key(scalar, _CURVE))


def load_public(data: bytes) -> P256PublicKey:
    """Return the public key of an uncompressed point. Raises `InvalidKey`."""
    return P256PublicKey(_load_point(data))


def derive_private(ikm: bytes) -> P256PrivateKey:
    """DeriveKeyPair (Section 7.1.3). Raises `InvalidKey` if `ikm` is under 32 bytes."""
    prk = _DHKEM.derive_prk(ikm)
    for counter in range(256):
        candidate = _DHKEM.derive(prk, b"candidate", counter.to_bytes(1, "big"))
        if 0 < int.from_bytes(candidate, "big") < _ORDER:
            return load_private(candidate)
    raise InvalidKey("No private key was found in 256 candidates; draw other keying material.")
