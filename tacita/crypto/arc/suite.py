"""The ciphersuite ARC(P-256): the group, its two generators, and every label of the draft.

Follows the draft that `DRAFT` names, Section 6.1; `tacita.crypto.groups` does the deserialising
that it asks for. What a new version of the draft changes in names is changed here.
"""

from functools import cache
from typing import TypeAlias

from tacita.crypto.groups.ec import Point, Scalar
from tacita.crypto.groups.p256 import P256
from tacita.wire.cursor import Cursor

__all__ = [
    "DRAFT",
    "ELEMENT_LENGTH",
    "GROUP",
    "SCALAR_LENGTH",
    "SESSION_PRESENTATION",
    "SESSION_REQUEST",
    "SESSION_RESPONSE",
    "Element",
    "Scalar",
    "commit",
    "generator_h",
    "hash_request_context",
    "negate",
    "reduce",
    "scalar",
    "tag_generator",
    "take_element",
]

DRAFT = "draft-ietf-privacypass-arc-crypto-01"

_CONTEXT = b"ARCV1-P256"
_TO_GROUP = b"HashToGroup-" + _CONTEXT
_TO_SCALAR = b"HashToScalar-" + _CONTEXT
_GENERATOR_H, _TAG, _REQUEST_CONTEXT = b"generatorH", b"Tag", b"requestContext"

SESSION_REQUEST = _CONTEXT + b"CredentialRequest"
SESSION_RESPONSE = _CONTEXT + b"CredentialResponse"
SESSION_PRESENTATION = _CONTEXT + b"CredentialPresentation"
"""What each kind of proof is bound to besides its statement."""

GROUP = P256
Element: TypeAlias = Point
ELEMENT_LENGTH = GROUP.element_length
"""Ne: 33."""
SCALAR_LENGTH = GROUP.scalar_length
"""Ns: 32."""


@cache
def generator_h() -> Element:
    """Return the second generator, whose logarithm to the first nobody knows (Section 3.1)."""
    return GROUP.hash_to_element(GROUP.generator.encoding, _TO_GROUP + _GENERATOR_H)


def tag_generator(presentation_context: bytes) -> Element:
    """Return the element that the tags of a context are multiples of (Section 4.3.2)."""
    return GROUP.hash_to_element(presentation_context, _TO_GROUP + _TAG)


def hash_request_context(request_context: bytes) -> Scalar:
    """Return m2, the attribute that both sides know (Section 4.2.1)."""
    return GROUP.hash_to_scalar(request_context, _TO_SCALAR + _REQUEST_CONTEXT)


def scalar(value: int) -> Scalar:
    """Return a small, non-negative `value` as a scalar."""
    return GROUP.decode_scalar(value.to_bytes(SCALAR_LENGTH, "big"))


def negate(value: Scalar) -> Scalar:
    """Return minus `value`."""
    return GROUP.subtract_scalars(scalar(0), value)


def reduce(data: bytes) -> Scalar:
    """Return PUBLIC bytes, as a big-endian integer, modulo the order."""
    return GROUP.decode_scalar((int.from_bytes(data, "big") % _order()).to_bytes(SCALAR_LENGTH, "big"))


def commit(value: int, blinding: Scalar) -> Element:
    """Return the Pedersen commitment to a small secret `value`: value * G + blinding * H.

    Zero takes the same way as any other value, so that time does not tell: value + 1 times G is
    never the identity, and the one G too many goes into the other half.
    """
    blinded = GROUP.add(GROUP.multiply(blinding, generator_h()), _minus_generator())
    return GROUP.add(GROUP.multiply_generator(scalar(value + 1)), blinded)


def take_element(cursor: Cursor) -> Element:
    """Read the next element. Raises `Truncated` or `ElementMalformed`."""
    return GROUP.decode(cursor.take(ELEMENT_LENGTH))


@cache
def _minus_generator() -> Element:
    return GROUP.multiply_generator(negate(scalar(1)))


@cache
def _order() -> int:
    return int.from_bytes(GROUP.encode_scalar(negate(scalar(1))), "big") + 1
