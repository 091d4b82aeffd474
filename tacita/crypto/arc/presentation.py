"""Showing a credential (the draft's Sections 4.3 and 5.3): unlinkable, but once for each nonce.

`present` takes the nonce from its caller, and trusts it not to use one twice in a context with one
credential: that would make two equal tags, by which the issuer knows that both came from one
client. `PresentationState` gives out each nonce once.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tacita.crypto.arc import range_proof, sigma, suite
from tacita.crypto.arc.credential import Credential
from tacita.crypto.arc.errors import InvalidProof, LimitReached, PresentationMalformed
from tacita.crypto.arc.keys import PrivateKey
from tacita.crypto.arc.range_proof import MAX_LIMIT
from tacita.crypto.arc.sigma import Relation
from tacita.crypto.arc.suite import ELEMENT_LENGTH, GROUP, Element, generator_h, take_element
from tacita.crypto.groups.errors import ArithmeticFailed
from tacita.crypto.groups.group import RandomBytes
from tacita.wire.cursor import Cursor

__all__ = ["Presentation", "is_length", "present", "presentation_length", "verify"]

_SCALARS = 5
_SCALARS_PER_BASE = 3
_MAX_BASES = MAX_LIMIT.bit_length()
_FIXED_LENGTH = 5 * ELEMENT_LENGTH + sigma.proof_length(_SCALARS)
_LENGTH_PER_BASE = ELEMENT_LENGTH + _SCALARS_PER_BASE * suite.SCALAR_LENGTH


def presentation_length(limit: int) -> int:
    """Return Npresentation, the bytes of a presentation: 357 and 129 for each bit of `limit` - 1.

    Raises `LimitOutOfRange`.
    """
    return _FIXED_LENGTH + _LENGTH_PER_BASE * len(range_proof.bases(limit))


def is_length(length: int) -> bool:
    """Return whether presentations for some limit are `length` bytes long."""
    count, rest = divmod(length - _FIXED_LENGTH, _LENGTH_PER_BASE)
    return not rest and 1 <= count <= _MAX_BASES


@dataclass(frozen=True, slots=True)
class Presentation:
    """One presentation. `tag` is what the issuer remembers; nothing else of it can be linked."""

    u: Element = field(repr=False)
    u_prime_commit: Element = field(repr=False)
    m1_commit: Element = field(repr=False)
    tag: Element = field(repr=False)
    nonce_commit: Element = field(repr=False)
    digit_commits: tuple[Element, ...] = field(repr=False)
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the structure, `presentation_length(limit)` bytes."""
        elements = (self.u, self.u_prime_commit, self.m1_commit, self.tag, self.nonce_commit)
        return b"".join(one.encoding for one in (*elements, *self.digit_commits)) + self.proof

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the structure; its length says how many bits the limit had.

        Raises:
            PresentationMalformed: a length that no limit gives.
            ElementMalformed, ScalarMalformed: a part is none of the group.
        """
        if not is_length(len(data)):
            raise PresentationMalformed("A presentation is not as long as one for any limit.")
        count = (len(data) - _FIXED_LENGTH) // _LENGTH_PER_BASE
        cursor = Cursor(data)
        u, u_prime_commit, m1_commit, tag, nonce_commit = (take_element(cursor) for _ in range(5))
        digit_commits = tuple(take_element(cursor) for _ in range(count))
        proof = sigma.take_proof(cursor, _SCALARS + _SCALARS_PER_BASE * count)
        return cls(u, u_prime_commit, m1_commit, tag, nonce_commit, digit_commits, proof)


def present(
    credential: Credential,
    presentation_context: bytes,
    nonce: int,
    limit: int,
    *,
    rng: RandomBytes = os.urandom,
) -> Presentation:
    """Show `credential` in `presentation_context`, for the one time that `nonce` stands for (Section 4.3.2).

    `nonce` is at least 0 and below `limit`. Draws a, r, z, the blinding of the nonce, a scalar for each
    base of the limit but the last, and as many for the proof as it is about: 5, and 3 for each base.

    Raises:
        LimitReached: the nonce is not below the limit.
        LimitOutOfRange: the limit is not from 2 to 2^32 - 1.
    """
    if not 0 <= nonce < limit:
        raise LimitReached("The credential was presented as often as allowed; get one for a new context.")
    a, r, z = (GROUP.random_scalar(rng) for _ in range(3))
    m1, minus_r = credential.m1, suite.negate(r)
    u = GROUP.multiply(a, credential.u)
    u_prime_commit = GROUP.add(GROUP.multiply(a, credential.u_prime), GROUP.multiply_generator(r))
    m1_commit = GROUP.add(GROUP.multiply(m1, u), GROUP.multiply(z, generator_h()))
    blinding = GROUP.random_scalar(rng)
    nonce_commit = suite.commit(nonce, blinding)
    base = suite.tag_generator(presentation_context)
    tag = GROUP.multiply(GROUP.invert_scalar(GROUP.add_scalars(m1, suite.scalar(nonce))), base)
    v = GROUP.add(GROUP.multiply(z, credential.x1), GROUP.multiply_generator(minus_r))
    digit_commits, range_witness = range_proof.decompose(nonce, limit, blinding, rng)
    relation = _relation(
        (u, u_prime_commit, m1_commit, v, credential.x1, tag, base, nonce_commit), digit_commits
    )
    witness = (m1, z, minus_r, suite.scalar(nonce), blinding, *range_witness)
    proof = sigma.prove(relation, suite.SESSION_PRESENTATION, witness, rng)
    return Presentation(u, u_prime_commit, m1_commit, tag, nonce_commit, tuple(digit_commits), proof)


def verify(
    key: PrivateKey,
    request_context: bytes,
    presentation_context: bytes,
    presentation: Presentation,
    limit: int,
) -> Presentation:
    """Return `presentation` if it shows a credential of `key` in both contexts (Section 4.3.3).

    It counts only if its `tag` has not been seen before: remembering tags is for the caller.

    Raises:
        InvalidProof: it is of another key, context or limit, or was tampered with.
        LimitOutOfRange: the limit is not from 2 to 2^32 - 1.
    """
    range_proof.require_sum(presentation.digit_commits, limit, presentation.nonce_commit)
    # What an honest client has made of its blindings alone: the MAC, minus the commitment to it.
    m2 = suite.hash_request_context(request_context)
    factor = GROUP.add_scalars(key.x0, GROUP.multiply_scalars(key.x2, m2))
    try:
        mac = GROUP.add(
            GROUP.multiply(factor, presentation.u), GROUP.multiply(key.x1, presentation.m1_commit)
        )
        v = GROUP.add(mac, GROUP.multiply(suite.negate(suite.scalar(1)), presentation.u_prime_commit))
    except ArithmeticFailed:
        raise InvalidProof("A presentation cannot be checked; refuse it.") from None
    elements = (
        presentation.u,
        presentation.u_prime_commit,
        presentation.m1_commit,
        v,
        key.public_key.x1,
        presentation.tag,
        suite.tag_generator(presentation_context),
        presentation.nonce_commit,
    )
    relation = _relation(elements, presentation.digit_commits)
    sigma.verify(relation, suite.SESSION_PRESENTATION, presentation.proof)
    return presentation


def _relation(elements: tuple[Element, ...], digit_commits: Sequence[Element]) -> Relation:
    relation = Relation()
    m1, z, minus_r, nonce, blinding = relation.scalars(_SCALARS)
    g, h = relation.elements(GROUP.generator, generator_h())
    u, _, m1_commit, v, x1, tag, base, nonce_commit = relation.elements(*elements)
    relation.equate(m1_commit, (m1, u), (z, h))
    relation.equate(v, (z, x1), (minus_r, g))
    relation.equate(nonce_commit, (nonce, g), (blinding, h))
    relation.equate(base, (m1, tag), (nonce, tag))
    range_proof.constrain(relation, digit_commits, g, h, nonce_commit)
    return relation
