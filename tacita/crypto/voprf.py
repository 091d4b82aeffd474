"""Oblivious pseudorandom functions whose issuer proves which key it used (RFC 9497, mode VOPRF).

    private = PrivateKey.derive(P384_SHA384, seed, b"info")
    blinded = blind(P384_SHA384, message)
    evaluated, proof = blind_evaluate(private, [blinded.element])       # on the other side
    (output,) = finalize(private.public_key, [blinded], evaluated, proof)
    assert output == evaluate(private, message)                         # whoever has the key, alone

One proof is about as many elements as are evaluated together, so `blind_evaluate` and
`finalize` take lists: with one element they are BlindEvaluate and Finalize of Section 3.3.2.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from tacita.crypto.groups.ec import Point, Scalar
from tacita.crypto.groups.errors import ArithmeticFailed, ScalarMalformed
from tacita.crypto.groups.group import Element, Group, RandomBytes
from tacita.crypto.groups.p256 import P256
from tacita.crypto.groups.p384 import P384
from tacita.crypto.groups.ristretto255 import RISTRETTO255, RistrettoElement, RistrettoScalar
from tacita.errors import CryptoError

__all__ = [
    "MAX_BATCH",
    "P256_SHA256",
    "P384_SHA384",
    "RISTRETTO255_SHA512",
    "Blinded",
    "InvalidProof",
    "PrivateKey",
    "PublicKey",
    "Suite",
    "blind",
    "blind_evaluate",
    "evaluate",
    "finalize",
]

MAX_BATCH = 0xFFFF
"""Elements that one proof can be about: it numbers them in two bytes (Section 2.2.1)."""

E = TypeVar("E", bound=Element)
S = TypeVar("S")

_MODE = 0x01
_DERIVATIONS = 256


class InvalidProof(CryptoError):
    """A proof does not show that the elements were evaluated under the public key."""

    clause = "RFC 9497, Section 2.2.2"


@dataclass(frozen=True, slots=True)
class Suite(Generic[E, S]):
    """A group and a hash function with their common name (Section 4)."""

    identifier: str
    hash_name: str
    group: Group[E, S] = field(repr=False)

    @property
    def output_length(self) -> int:
        """Nh: bytes of what the function gives."""
        return hashlib.new(self.hash_name).digest_size

    @property
    def proof_length(self) -> int:
        """Bytes of a proof: two scalars."""
        return 2 * self.group.scalar_length

    def domain(self, label: str) -> bytes:
        """Return `label` with the context string of Section 3.1 behind it."""
        return label.encode() + b"OPRFV1-" + bytes((_MODE,)) + b"-" + self.identifier.encode()

    def hash(self, data: bytes) -> bytes:
        """Return the hash of `data`, `output_length` bytes."""
        return hashlib.new(self.hash_name, data).digest()

    def hash_to_scalar(self, data: bytes) -> S:
        """Return the scalar that stands for `data`."""
        return self.group.hash_to_scalar(data, self.domain("HashToScalar-"))

    def hash_to_element(self, message: bytes) -> E:
        """Return the element that stands for `message`."""
        return self.group.hash_to_element(message, self.domain("HashToGroup-"))


P256_SHA256: Suite[Point, Scalar] = Suite("P256-SHA256", "sha256", P256)
P384_SHA384: Suite[Point, Scalar] = Suite("P384-SHA384", "sha384", P384)
RISTRETTO255_SHA512: Suite[RistrettoElement, RistrettoScalar] = Suite(
    "ristretto255-SHA512", "sha512", RISTRETTO255
)


@dataclass(frozen=True, slots=True)
class PublicKey(Generic[E, S]):
    """What a client checks proofs with. Two are equal when suite and encoding are."""

    suite: Suite[E, S]
    element: E = field(repr=False)

    @classmethod
    def from_bytes(cls, suite: Suite[E, S], data: bytes) -> Self:
        """Read an encoded key. Raises `ElementMalformed`."""
        return cls(suite, suite.group.decode(data))

    def to_bytes(self) -> bytes:
        """Return the encoded key."""
        return self.element.encoding


class PrivateKey(Generic[E, S]):
    """A private key with its public one. Prints as nothing but its class."""

    __slots__ = ("public_key", "scalar", "suite")

    def __init__(self, suite: Suite[E, S], scalar: S) -> None:
        """Take a scalar other than zero."""
        self.suite = suite
        self.scalar = scalar
        self.public_key: PublicKey[E, S] = PublicKey(suite, suite.group.multiply_generator(scalar))

    @classmethod
    def generate(cls, suite: Suite[E, S], *, rng: RandomBytes = os.urandom) -> Self:
        """Return a new key (Section 3.2)."""
        return cls(suite, suite.group.random_scalar(rng))

    @classmethod
    def derive(cls, suite: Suite[E, S], seed: bytes, info: bytes) -> Self:
        """Return the key of a secret `seed` of 32 bytes or more and a public `info` (Section 3.2.1)."""
        start = seed + _fields(info)
        for counter in range(_DERIVATIONS):
            domain = suite.domain("DeriveKeyPair")
            scalar = suite.group.hash_to_scalar(start + bytes((counter,)), domain)
            if not suite.group.is_zero(scalar):
                return cls(suite, scalar)
        raise ArithmeticFailed("No private key could be derived from a seed; draw another.")

    @classmethod
    def from_bytes(cls, suite: Suite[E, S], data: bytes) -> Self:
        """Read an encoded scalar.

        Raises:
            ScalarMalformed: another length, zero, or not below the order of the group.
        """
        scalar = suite.group.decode_scalar(data)
        if suite.group.is_zero(scalar):
            raise ScalarMalformed("A private key is zero.")
        return cls(suite, scalar)

    def to_bytes(self) -> bytes:
        """Return the encoded scalar. For a file of mode 0600 and nowhere else."""
        return self.suite.group.encode_scalar(self.scalar)


@dataclass(frozen=True, slots=True)
class Blinded(Generic[E, S]):
    """A message on its way: `element` goes out, the other two must not."""

    message: bytes = field(repr=False)
    scalar: S = field(repr=False)
    element: E = field(repr=False)


def blind(suite: Suite[E, S], message: bytes, *, rng: RandomBytes = os.urandom) -> Blinded[E, S]:
    """Hide `message`, of at most 65,535 bytes, behind a random scalar (Section 3.3.2, Blind)."""
    scalar = suite.group.random_scalar(rng)
    return Blinded(message, scalar, suite.group.multiply(scalar, suite.hash_to_element(message)))


def blind_evaluate(
    key: PrivateKey[E, S], blinded: Sequence[E], *, rng: RandomBytes = os.urandom
) -> tuple[list[E], bytes]:
    """Evaluate 1 to `MAX_BATCH` elements; return them in order, and the proof about all of them.

    Follows Section 3.3.2 (BlindEvaluate) and 2.2.1 (GenerateProof).
    """
    group = key.suite.group
    evaluated = [group.multiply(key.scalar, element) for element in blinded]
    weights = _weights(key.public_key, blinded, evaluated)
    # What is combined is public: the elements were sent, and the weights are hashes of them.
    sent = group.combine(weights, blinded)
    answered = group.multiply(key.scalar, sent)
    nonce = group.random_scalar(rng)
    challenge = _challenge(
        key.public_key, sent, answered, group.multiply_generator(nonce), group.multiply(nonce, sent)
    )
    response = group.subtract_scalars(nonce, group.multiply_scalars(challenge, key.scalar))
    return evaluated, group.encode_scalar(challenge) + group.encode_scalar(response)


def finalize(
    key: PublicKey[E, S], blinded: Sequence[Blinded[E, S]], evaluated: Sequence[E], proof: bytes
) -> list[bytes]:
    """Check the proof about all of `evaluated`, and return the output for each message (Section 3.3.2).

    Raises:
        InvalidProof: not as many elements as asked for, or not evaluated under `key`; use none of them.
        ScalarMalformed: the proof is not two scalars.
    """
    suite, group = key.suite, key.suite.group
    if len(blinded) != len(evaluated):
        raise InvalidProof("The issuer answered with another number of elements than it was asked for.")
    _require_proof(key, [one.element for one in blinded], evaluated, proof)
    outputs = []
    for one, element in zip(blinded, evaluated, strict=True):
        unblinded = group.multiply(group.invert_scalar(one.scalar), element)
        outputs.append(_output(suite, one.message, unblinded))
    return outputs


def evaluate(key: PrivateKey[E, S], message: bytes) -> bytes:
    """Return the output for `message` (Section 3.3.2, Evaluate)."""
    element = key.suite.group.multiply(key.scalar, key.suite.hash_to_element(message))
    return _output(key.suite, message, element)


def _output(suite: Suite[E, S], message: bytes, element: E) -> bytes:
    return suite.hash(_fields(message, element.encoding) + b"Finalize")


def _require_proof(key: PublicKey[E, S], blinded: Sequence[E], evaluated: Sequence[E], proof: bytes) -> None:
    """Raise `InvalidProof` or `ScalarMalformed` unless `proof` holds (Section 2.2.2, VerifyProof)."""
    group = key.suite.group
    half = group.scalar_length
    challenge, response = group.decode_scalar(proof[:half]), group.decode_scalar(proof[half:])
    weights = _weights(key, blinded, evaluated)
    try:
        sent, answered = group.combine(weights, blinded), group.combine(weights, evaluated)
        expected = _challenge(
            key,
            sent,
            answered,
            group.combine((response, challenge), (group.generator, key.element)),
            group.combine((response, challenge), (sent, answered)),
        )
    except ArithmeticFailed:  # an honest issuer comes to the identity once in 2^250 proofs
        raise InvalidProof("The issuer's proof cannot be checked; use nothing of the answer.") from None
    if not hmac.compare_digest(group.encode_scalar(expected), proof[:half]):
        raise InvalidProof("The issuer's proof does not hold; use nothing of the answer.")


def _weights(key: PublicKey[E, S], blinded: Sequence[E], evaluated: Sequence[E]) -> list[S]:
    """Return a scalar for each pair, which nobody can foresee without fixing all (ComputeComposites)."""
    if not 0 < len(blinded) <= MAX_BATCH:
        raise ValueError("a proof is about 1 to 65,535 elements")
    suite = key.suite
    seed = _fields(suite.hash(_fields(key.to_bytes(), suite.domain("Seed-"))))
    return [
        suite.hash_to_scalar(
            seed + number.to_bytes(2, "big") + _fields(one.encoding, other.encoding) + b"Composite"
        )
        for number, (one, other) in enumerate(zip(blinded, evaluated, strict=True))
    ]


def _challenge(key: PublicKey[E, S], *elements: E) -> S:
    encodings = (element.encoding for element in elements)
    return key.suite.hash_to_scalar(_fields(key.to_bytes(), *encodings) + b"Challenge")


def _fields(*values: bytes) -> bytes:
    return b"".join(len(value).to_bytes(2, "big") + value for value in values)
