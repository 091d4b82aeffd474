"""From a request to a credential in three steps (the draft's Sections 4.2, 5.1 and 5.2).

The client commits to a secret m1 of its own and to m2, the hash of the request context; the issuer
puts its MAC on both without seeing m1, and proves that it used the published key.
"""

import os
from dataclasses import dataclass, field
from typing import Self

from tacita.crypto.arc import sigma, suite
from tacita.crypto.arc.credential import Credential
from tacita.crypto.arc.errors import InvalidProof
from tacita.crypto.arc.keys import PrivateKey, PublicKey
from tacita.crypto.arc.sigma import Relation
from tacita.crypto.arc.suite import ELEMENT_LENGTH, GROUP, Element, Scalar, generator_h, take_element
from tacita.crypto.groups.errors import ArithmeticFailed
from tacita.crypto.groups.group import RandomBytes
from tacita.wire.cursor import Cursor

__all__ = [
    "REQUEST_LENGTH",
    "RESPONSE_LENGTH",
    "ClientSecrets",
    "CredentialRequest",
    "CredentialResponse",
    "finalize",
    "request_credential",
    "require_proof",
    "respond",
]

_REQUEST_SCALARS = 4
_RESPONSE_SCALARS = 7

REQUEST_LENGTH = 2 * ELEMENT_LENGTH + sigma.proof_length(_REQUEST_SCALARS)
"""Nrequest: 226."""
RESPONSE_LENGTH = 6 * ELEMENT_LENGTH + sigma.proof_length(_RESPONSE_SCALARS)
"""Nresponse: 454."""


@dataclass(frozen=True, slots=True, eq=False)
class ClientSecrets:
    """What the client keeps until the answer comes."""

    m1: Scalar = field(repr=False)
    r1: Scalar = field(repr=False)
    r2: Scalar = field(repr=False)


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """Commitments to m1 and m2, and the proof that the client can open them (Section 4.2.1)."""

    m1_enc: Element = field(repr=False)
    m2_enc: Element = field(repr=False)
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the 226 bytes of the structure."""
        return self.m1_enc.encoding + self.m2_enc.encoding + self.proof

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            ElementMalformed, ScalarMalformed: a part is none of the group.
            DecodeError: another length.
        """
        cursor = Cursor(data)
        elements = take_element(cursor), take_element(cursor)
        request = cls(*elements, sigma.take_proof(cursor, _REQUEST_SCALARS))
        cursor.finish()
        return request


@dataclass(frozen=True, slots=True)
class CredentialResponse:
    """The encrypted MAC, what is needed to decrypt it, and the proof that it is one (Section 4.2.2)."""

    u: Element = field(repr=False)
    enc_u_prime: Element = field(repr=False)
    x0_aux: Element = field(repr=False)
    x1_aux: Element = field(repr=False)
    x2_aux: Element = field(repr=False)
    h_aux: Element = field(repr=False)
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the 454 bytes of the structure."""
        return b"".join(element.encoding for element in self._elements) + self.proof

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure.

        Raises:
            ElementMalformed, ScalarMalformed: a part is none of the group.
            DecodeError: another length.
        """
        cursor = Cursor(data)
        u, enc_u_prime, x0_aux, x1_aux, x2_aux, h_aux = (take_element(cursor) for _ in range(6))
        proof = sigma.take_proof(cursor, _RESPONSE_SCALARS)
        cursor.finish()
        return cls(u, enc_u_prime, x0_aux, x1_aux, x2_aux, h_aux, proof)

    @property
    def _elements(self) -> tuple[Element, ...]:
        return (self.u, self.enc_u_prime, self.x0_aux, self.x1_aux, self.x2_aux, self.h_aux)


def request_credential(
    request_context: bytes, *, rng: RandomBytes = os.urandom
) -> tuple[CredentialRequest, ClientSecrets]:
    """Ask for a credential that is bound to `request_context` (Section 4.2.1).

    Draws m1, r1, r2, and four scalars for the proof.
    """
    m1, r1, r2 = (GROUP.random_scalar(rng) for _ in range(3))
    m2 = suite.hash_request_context(request_context)
    m1_enc, m2_enc = _pedersen(m1, r1), _pedersen(m2, r2)
    relation = _request_relation(m1_enc, m2_enc)
    proof = sigma.prove(relation, suite.SESSION_REQUEST, (m1, m2, r1, r2), rng)
    return CredentialRequest(m1_enc, m2_enc, proof), ClientSecrets(m1, r1, r2)


def require_proof(request: CredentialRequest) -> CredentialRequest:
    """Return `request` if its proof holds; it takes no key to see that. Raises `InvalidProof`."""
    relation = _request_relation(request.m1_enc, request.m2_enc)
    sigma.verify(relation, suite.SESSION_REQUEST, request.proof)
    return request


def respond(
    key: PrivateKey, request: CredentialRequest, *, rng: RandomBytes = os.urandom
) -> CredentialResponse:
    """Check `request` and return the issuer's answer (Section 4.2.2).

    Draws b, and seven scalars for the proof.

    Raises:
        InvalidProof: the proof of the request does not hold.
    """
    require_proof(request)
    public = key.public_key
    b = GROUP.random_scalar(rng)
    t1, t2 = GROUP.multiply_scalars(b, key.x1), GROUP.multiply_scalars(b, key.x2)
    mac = GROUP.add(
        GROUP.add(public.x0, GROUP.multiply(key.x1, request.m1_enc)), GROUP.multiply(key.x2, request.m2_enc)
    )
    elements = (
        GROUP.multiply_generator(b),
        GROUP.multiply(b, mac),
        GROUP.multiply(GROUP.multiply_scalars(b, key.x0_blinding), generator_h()),
        GROUP.multiply(b, public.x1),
        GROUP.multiply(b, public.x2),
        GROUP.multiply(b, generator_h()),
    )
    relation = _response_relation(public, request, *elements)
    witness = (key.x0, key.x1, key.x2, key.x0_blinding, b, t1, t2)
    return CredentialResponse(*elements, sigma.prove(relation, suite.SESSION_RESPONSE, witness, rng))


def finalize(
    secrets: ClientSecrets, key: PublicKey, request: CredentialRequest, response: CredentialResponse
) -> Credential:
    """Check `response` to `request` and return the credential (Section 4.2.3).

    Raises:
        InvalidProof: it was not made with `key` for this request; it may be a mark. Keep nothing of it.
    """
    relation = _response_relation(key, request, *response._elements)
    sigma.verify(relation, suite.SESSION_RESPONSE, response.proof)
    masks = (
        GROUP.multiply(suite.negate(factor), element)
        for factor, element in (
            (suite.scalar(1), response.x0_aux),
            (secrets.r1, response.x1_aux),
            (secrets.r2, response.x2_aux),
        )
    )
    u_prime = response.enc_u_prime
    try:
        for mask in masks:
            u_prime = GROUP.add(u_prime, mask)
    except ArithmeticFailed:
        raise InvalidProof("The issuer's answer makes no credential; keep nothing of it.") from None
    return Credential(secrets.m1, response.u, u_prime, key.x1)


def _pedersen(value: Scalar, blinding: Scalar) -> Element:
    return GROUP.add(GROUP.multiply_generator(value), GROUP.multiply(blinding, generator_h()))


def _request_relation(m1_enc: Element, m2_enc: Element) -> Relation:
    relation = Relation()
    m1, m2, r1, r2 = relation.scalars(_REQUEST_SCALARS)
    g, h, first, second = relation.elements(GROUP.generator, generator_h(), m1_enc, m2_enc)
    relation.equate(first, (m1, g), (r1, h))
    relation.equate(second, (m2, g), (r2, h))
    return relation


def _response_relation(key: PublicKey, request: CredentialRequest, *response: Element) -> Relation:
    relation = Relation()
    x0, x1, x2, x0_blinding, b, t1, t2 = relation.scalars(_RESPONSE_SCALARS)
    g, h, m1_enc, m2_enc = relation.elements(GROUP.generator, generator_h(), request.m1_enc, request.m2_enc)
    u, enc_u_prime = relation.elements(*response[:2])
    big_x0, big_x1, big_x2 = relation.elements(key.x0, key.x1, key.x2)
    x0_aux, x1_aux, x2_aux, h_aux = relation.elements(*response[2:])
    relation.equate(big_x0, (x0, g), (x0_blinding, h))
    relation.equate(big_x1, (x1, h))
    relation.equate(big_x2, (x2, h))
    relation.equate(h_aux, (b, h))
    relation.equate(x0_aux, (x0_blinding, h_aux))
    # t1 = b * x1 and t2 = b * x2: each is shown to be a multiple of H and of the public key.
    relation.equate(x1_aux, (t1, h))
    relation.equate(x1_aux, (b, big_x1))
    relation.equate(x2_aux, (b, big_x2))
    relation.equate(x2_aux, (t2, h))
    relation.equate(u, (b, g))
    relation.equate(enc_u_prime, (b, big_x0), (t1, m1_enc), (t2, m2_enc))
    return relation
