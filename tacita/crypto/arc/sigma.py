"""Proofs that one knows scalars which satisfy linear equations among elements, without showing them.

    relation = Relation()
    (x,) = relation.scalars(1)
    base, product = relation.elements(GROUP.generator, element)
    relation.equate(product, (x, base))                 # product = x * base
    proof = prove(relation, b"session", [secret], os.urandom)
    verify(relation, b"session", proof)

A proof is a challenge and one response for each scalar, in the order in which they were
allocated. The challenge is a hash of the session, the relation with all of its elements, and the
commitments, which the verifier computes from the responses.

Follows draft-irtf-cfrg-sigma-protocols-01, Section 2, and the suite `sigma-proofs_Shake128_P256`. How
the hash begins has differed between versions of draft-irtf-cfrg-fiat-shamir; here it begins as in
the vectors of the ARC draft: protocol in a block of its own, then session and relation, each
with four bytes of length before it.
"""

import hashlib
import hmac
from collections.abc import Sequence
from functools import reduce as fold

from tacita.crypto.arc import suite
from tacita.crypto.arc.errors import InvalidProof
from tacita.crypto.arc.suite import GROUP, SCALAR_LENGTH, Element, Scalar
from tacita.crypto.groups.errors import ArithmeticFailed, ScalarMalformed
from tacita.crypto.groups.group import RandomBytes
from tacita.wire.cursor import Cursor

__all__ = ["Relation", "proof_length", "prove", "take_proof", "verify"]

_PROTOCOL = b"sigma-proofs_Shake128_P256"
_RATE = 168
_CHALLENGE_LENGTH = SCALAR_LENGTH + 16  # so many bytes, reduced, are uniform to within 2^-128

_Term = tuple[int, int]


class Relation:
    """Equations, each an element that equals a sum of elements multiplied by secret scalars.

    Scalars and elements go by the numbers under which they were allocated.
    """

    def __init__(self) -> None:
        self._elements: list[Element] = []
        self._equations: list[tuple[int, tuple[_Term, ...]]] = []
        self.scalar_count = 0

    def scalars(self, count: int) -> range:
        """Allocate `count` scalars and return their numbers."""
        self.scalar_count += count
        return range(self.scalar_count - count, self.scalar_count)

    def elements(self, *elements: Element) -> range:
        """Add `elements` and return their numbers."""
        self._elements.extend(elements)
        return range(len(self._elements) - len(elements), len(self._elements))

    def equate(self, image: int, *terms: _Term) -> None:
        """Demand that the element `image` is the sum of `terms`: pairs of a scalar and an element."""
        self._equations.append((image, terms))

    def commitments(self, scalars: Sequence[Scalar]) -> list[Element]:
        """Return what the equations make of secret `scalars`, in constant time."""
        return [
            fold(GROUP.add, (_multiply(scalars[number], self._elements[place]) for number, place in terms))
            for _, terms in self._equations
        ]

    def simulated(self, responses: Sequence[Scalar], challenge: Scalar) -> list[Element]:
        """Return the commitments that an honest prover must have sent before `challenge`.

        Proofs are public, so this may take a time that depends on their scalars. Elements that
        came of a private key may be among those of the relation: time does not depend on them.
        """
        minus = suite.negate(challenge)
        return [
            GROUP.combine(
                [*(responses[number] for number, _ in terms), minus],
                [*(self._elements[place] for _, place in terms), self._elements[image]],
            )
            for image, terms in self._equations
        ]

    def label(self) -> bytes:
        """Return the encoding of the whole relation, which no other has.

        Raises:
            InvalidProof: an element occurs twice; honest ones are all different.
        """
        if len({element.encoding for element in self._elements}) != len(self._elements):
            raise InvalidProof("The statement of a proof repeats an element; refuse it.")
        words = [len(self._equations)]
        for image, terms in self._equations:
            words += image, len(terms), *(number for term in terms for number in term)
        encodings = (element.encoding for element in self._elements)
        return b"".join(word.to_bytes(4, "little") for word in words) + b"".join(encodings)


def proof_length(scalar_count: int) -> int:
    """Return the bytes of a proof about so many scalars."""
    return (1 + scalar_count) * SCALAR_LENGTH


def prove(relation: Relation, session: bytes, witness: Sequence[Scalar], rng: RandomBytes) -> bytes:
    """Return the proof that `witness` satisfies `relation`. Draws a scalar for each of its scalars."""
    blinds = [GROUP.random_scalar(rng) for _ in range(relation.scalar_count)]
    challenge = _challenge(relation, session, relation.commitments(blinds))
    responses = (
        GROUP.add_scalars(blind, GROUP.multiply_scalars(secret, challenge))
        for blind, secret in zip(blinds, witness, strict=True)
    )
    return b"".join(GROUP.encode_scalar(one) for one in (challenge, *responses))


def verify(relation: Relation, session: bytes, proof: bytes) -> None:
    """Raise `InvalidProof` unless `proof` shows that its maker can satisfy `relation`."""
    try:
        challenge, *responses = _read(proof)
        if len(responses) != relation.scalar_count:
            raise InvalidProof("A proof is not as long as its statement demands.")
        expected = _challenge(relation, session, relation.simulated(responses, challenge))
    except (ScalarMalformed, ArithmeticFailed):  # an honest prover never comes to the identity
        raise InvalidProof("A proof cannot be checked; refuse what came with it.") from None
    if not hmac.compare_digest(GROUP.encode_scalar(expected), proof[:SCALAR_LENGTH]):
        raise InvalidProof("A proof does not hold; refuse what came with it.")


def take_proof(cursor: Cursor, scalar_count: int) -> bytes:
    """Read a proof about `scalar_count` scalars. Raises `Truncated` or `ScalarMalformed`."""
    proof = cursor.take(proof_length(scalar_count))
    _read(proof)
    return proof


def _read(proof: bytes) -> list[Scalar]:
    if not proof:
        raise InvalidProof("A proof is empty.")
    starts = range(0, len(proof), SCALAR_LENGTH)
    return [GROUP.decode_scalar(proof[start : start + SCALAR_LENGTH]) for start in starts]


def _multiply(factor: Scalar, element: Element) -> Element:
    if element is GROUP.generator:  # five times as fast
        return GROUP.multiply_generator(factor)
    return GROUP.multiply(factor, element)


def _challenge(relation: Relation, session: bytes, commitments: Sequence[Element]) -> Scalar:
    message = b"".join(len(part).to_bytes(4, "big") + part for part in (session, relation.label()))
    message += b"".join(element.encoding for element in commitments)
    # The protocol has the first block of SHAKE128 to itself.
    hashed = hashlib.shake_128(_PROTOCOL.ljust(_RATE, b"\0") + message)
    return suite.reduce(hashed.digest(_CHALLENGE_LENGTH))
