"""RSA keys for blind signatures, in the form in which Privacy Pass publishes them.

RFC 9578, Section 6.5 wants a SubjectPublicKeyInfo whose algorithm is id-RSASSA-PSS with
all of SHA-384, MGF1-SHA-384 and salt length 48 written out, and names the key by the
SHA-256 of those bytes. `cryptography` reads that form but writes rsaEncryption instead,
which would be another name. So the bytes that came in are kept, and those that we
publish are put together here.

RFC 4055, Section 2.1 lets a SHA-384 identifier stand with NULL parameters or without
any, and makes readers take both. These four spellings of the algorithm are accepted,
everything around them in DER only.
"""

import hashlib
from itertools import product
from typing import Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tacita.errors import CryptoError, DecodeError

__all__ = [
    "MAX_BITS",
    "MIN_BITS",
    "KeyMalformed",
    "OutOfRange",
    "PublicNumbers",
    "RsaPrivateKey",
    "RsaPublicKey",
]

MIN_BITS = 2048
"""NIST SP 800-57 has smaller moduli end in 2013."""

MAX_BITS = 4096
"""The largest modulus of RFC 9474's own vectors; work grows with its square, so there is a bound."""

_EXPONENT = 65537
_MAX_SPKI = 1024  # a 4096-bit key takes 594 bytes


class KeyMalformed(DecodeError):
    """The bytes are not an RSA key of the form that RFC 9578, Section 6.5 demands."""

    clause = "RFC 9578, Section 6.5"


class OutOfRange(CryptoError):
    """A blinded message is not as long as the modulus, or not an integer strictly between 0 and it."""

    clause = "RFC 9474, Section 4.3"


class PublicNumbers(Protocol):
    """What blinding and verifying want of a public key, published or derived from one."""

    @property
    def n(self) -> int:
        """The modulus."""

    @property
    def e(self) -> int:
        """The public exponent."""

    @property
    def modulus_size(self) -> int:
        """Length of the modulus in bytes."""

    @property
    def handle(self) -> rsa.RSAPublicKey:
        """The key in the form that verifies."""


class RsaPublicKey:
    """A public key as published: the bytes, their SHA-256, the numbers, and a handle that verifies.

    Immutable; two are equal when their published bytes are.
    """

    __slots__ = ("_modulus", "_zero", "e", "handle", "key_id", "modulus_size", "n", "spki")

    def __init__(self, spki: bytes) -> None:
        """Read the DER bytes of a SubjectPublicKeyInfo.

        Raises:
            KeyMalformed: not DER, another algorithm or parameters, a modulus that is even or outside
                2048 to 4096 bits, or an exponent other than 65537.
        """
        if len(spki) > _MAX_SPKI:
            raise KeyMalformed("A public key is longer than any that is accepted.")
        try:
            handle = serialization.load_der_public_key(spki)
        except (ValueError, UnsupportedAlgorithm):
            raise KeyMalformed("A public key is not a SubjectPublicKeyInfo that can be read.") from None
        if not isinstance(handle, rsa.RSAPublicKey):
            raise KeyMalformed("A public key is of another algorithm than RSA.")
        numbers = handle.public_numbers()
        _require_sound(numbers)
        body = _rsa_public_key(numbers)
        # Writing it again is the strict check: one set of bytes for each spelling of the algorithm.
        if all(spki != _spki(algorithm, body) for algorithm in _ALGORITHMS):
            raise KeyMalformed(
                "A public key is not id-RSASSA-PSS with SHA-384, MGF1-SHA-384 and salt length 48 in DER."
            )
        self.spki = spki
        self.key_id = hashlib.sha256(spki).digest()
        self.n = numbers.n
        self.e = numbers.e
        self.modulus_size = (numbers.n.bit_length() + 7) // 8
        self.handle = handle
        self._zero = bytes(self.modulus_size)
        self._modulus = numbers.n.to_bytes(self.modulus_size, "big")

    @classmethod
    def from_numbers(cls, numbers: rsa.RSAPublicNumbers) -> Self:
        """Return the key of `numbers` in the form that we publish. Raises `KeyMalformed`."""
        return cls(_spki(_ALGORITHMS[0], _rsa_public_key(numbers)))

    def require_in_range(self, message: bytes) -> None:
        """Raise `OutOfRange` unless `message` is as long as the modulus, not zero, and below it.

        Zero is its own signature, so it never hides anything.
        """
        # Big-endian numbers of one length are in the order of their bytes.
        if len(message) != self.modulus_size or not self._zero < message < self._modulus:
            raise OutOfRange("A blinded message is outside the range of the key; draw it anew for this key.")

    def representative(self, message: bytes) -> int:
        """Return the integer that `message` stands for. Raises `OutOfRange` as `require_in_range`."""
        self.require_in_range(message)
        return int.from_bytes(message, "big")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RsaPublicKey) and self.spki == other.spki

    def __hash__(self) -> int:
        return hash(self.key_id)


class RsaPrivateKey:
    """A private key with its public one. Prints as nothing but its class."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        """Take a key of `cryptography`. Raises `KeyMalformed` when its public half is not acceptable."""
        self._key = key
        self.public_key = RsaPublicKey.from_numbers(key.public_key().public_numbers())

    @classmethod
    def generate(cls, bits: int = MIN_BITS) -> Self:
        """Return a new key (RFC 9578, Section 6.5 with FIPS 186-5). Takes a good part of a second."""
        return cls(rsa.generate_private_key(_EXPONENT, bits))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an unencrypted PEM key; its numbers are checked against each other.

        Raises:
            KeyMalformed: not such a key, or not consistent.
        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyMalformed("A private key is not an unencrypted PEM key that can be read.") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise KeyMalformed("A private key is of another algorithm than RSA.")
        return cls(key)

    def to_pem(self) -> bytes:
        """Return the key as unencrypted PKCS#8 PEM. For a file of mode 0600 and nowhere else."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def to_der(self) -> bytes:
        """Return the key as RSAPrivateKey of RFC 8017, Section A.1.2, in DER: what engines read."""
        return self._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )

    def numbers(self) -> rsa.RSAPrivateNumbers:
        """Return the secret integers, for an engine that computes with them."""
        return self._key.private_numbers()


def _require_sound(numbers: rsa.RSAPublicNumbers) -> None:
    if not MIN_BITS <= numbers.n.bit_length() <= MAX_BITS or numbers.n % 2 == 0:
        raise KeyMalformed("A public key has an even modulus or one outside 2048 to 4096 bits.")
    # FIPS 186-5 allows others. Nobody publishes them, and a long one makes each verification slow.
    if numbers.e != _EXPONENT:
        raise KeyMalformed("A public key has an exponent other than 65537.")


def _tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _integer(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


_PSS = bytes.fromhex("06092a864886f70d01010a")
_MGF1 = bytes.fromhex("06092a864886f70d010108")
_SHA384 = bytes.fromhex("0609608648016503040202")
_NULL = b"\x05\x00"


def _algorithm(hash_parameters: bytes, mask_hash_parameters: bytes) -> bytes:
    sha384 = _tlv(0x30, _SHA384, hash_parameters)
    mask = _tlv(0x30, _MGF1, _tlv(0x30, _SHA384, mask_hash_parameters))
    parameters = _tlv(0x30, _tlv(0xA0, sha384), _tlv(0xA1, mask), _tlv(0xA2, _integer(48)))
    return _tlv(0x30, _PSS, parameters)


_ALGORITHMS = tuple(_algorithm(*pair) for pair in product((b"", _NULL), repeat=2))
"""The first, without NULL anywhere, is what the vectors of RFC 9578 and everybody we know of publish."""


def _rsa_public_key(numbers: rsa.RSAPublicNumbers) -> bytes:
    return _tlv(0x30, _integer(numbers.n), _integer(numbers.e))


def _spki(algorithm: bytes, body: bytes) -> bytes:
    return _tlv(0x30, algorithm, _tlv(0x03, b"\x00", body))
