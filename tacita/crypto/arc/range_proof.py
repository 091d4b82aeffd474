"""That a committed nonce is below the limit, without showing it (the draft's Section 5.4).

The nonce is written as a sum of some of the `bases`, which together make limit - 1. For each base
there is a commitment to 0 or 1; the verifier sees that these add up to the commitment to the nonce.
"""

from collections.abc import Sequence

from tacita.crypto.arc import suite
from tacita.crypto.arc.errors import InvalidProof, LimitOutOfRange
from tacita.crypto.arc.sigma import Relation
from tacita.crypto.arc.suite import GROUP, Element, Scalar
from tacita.crypto.groups.errors import ArithmeticFailed
from tacita.crypto.groups.group import RandomBytes

__all__ = ["MAX_LIMIT", "bases", "constrain", "decompose", "require_sum"]

MAX_LIMIT = 0xFFFF_FFFF
"""The token carries nonces in four bytes, and a client's state counts in as many."""

_MIN_LIMIT = 2  # for 1 the draft has a base of zero, by which it would divide


def bases(limit: int) -> list[int]:
    """Return the k bases for nonces below `limit`, the largest first; k is the bits of limit - 1.

    The first k - 1 powers of two, and what is then missing from limit - 1. The smallest is always 1.

    Raises:
        LimitOutOfRange: the limit is not from 2 to `MAX_LIMIT`.
    """
    if not _MIN_LIMIT <= limit <= MAX_LIMIT:
        raise LimitOutOfRange("A presentation limit is below 2 or has more than 32 bits.")
    count = (limit - 1).bit_length()
    powers = [1 << place for place in range(count - 1)]
    return sorted([*powers, limit - 1 - sum(powers)], reverse=True)


def decompose(
    nonce: int, limit: int, blinding: Scalar, rng: RandomBytes
) -> tuple[list[Element], list[Scalar]]:
    """Return the commitments to the digits of `nonce`, and the witness that `constrain` asks for.

    Draws a scalar for each base but the last, whose blinding makes all of them add up to `blinding`.
    """
    weights = bases(limit)
    digits, rest = [], nonce
    for weight in weights:
        digit = 1 - ((rest - weight) >> 63 & 1)  # without a branch: the nonce is secret
        rest -= digit * weight
        digits.append(digit)
    blindings = []
    last = blinding
    for weight in weights[:-1]:
        one = GROUP.random_scalar(rng)
        blindings.append(one)
        last = GROUP.subtract_scalars(last, GROUP.multiply_scalars(suite.scalar(weight), one))
    blindings.append(last)  # the last base is 1
    commitments = [suite.commit(digit, one) for digit, one in zip(digits, blindings, strict=True)]
    products = [
        GROUP.multiply_scalars(suite.scalar(1 - digit), one)
        for digit, one in zip(digits, blindings, strict=True)
    ]
    return commitments, [*(suite.scalar(digit) for digit in digits), *blindings, *products]


def constrain(relation: Relation, commitments: Sequence[Element], g: int, h: int, nonce_commit: int) -> None:
    """Add to `relation` that each of `commitments` is to 0 or 1.

    With b the digit and s its blinding, D = bG + sH and D = bD + (1 - b)sH. `g`, `h` and `nonce_commit` are
    numbers of elements; a single commitment is that to the nonce itself, which stands there already.
    """
    count = len(commitments)
    digits, blindings, products = (relation.scalars(count) for _ in range(3))
    places = (nonce_commit,) if count == 1 else relation.elements(*commitments)
    for place, digit, blinding, product in zip(places, digits, blindings, products, strict=True):
        relation.equate(place, (digit, g), (blinding, h))
        relation.equate(place, (digit, place), (product, h))


def require_sum(commitments: Sequence[Element], limit: int, nonce_commit: Element) -> None:
    """Raise `InvalidProof` unless `commitments` are as many as the bases and add up to `nonce_commit`."""
    weights = bases(limit)
    if len(commitments) != len(weights):
        raise InvalidProof("A presentation was made for another limit; make one for this limit.")
    try:
        total = GROUP.combine([suite.scalar(weight) for weight in weights], commitments)
    except ArithmeticFailed:
        raise InvalidProof("The range proof of a presentation cannot be checked; refuse it.") from None
    if total != nonce_commit:
        raise InvalidProof("The range proof of a presentation does not add up; refuse it.")
