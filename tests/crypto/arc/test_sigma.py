"""Proofs of linear relations: complete, sound against a wrong witness, and bound to session and statement."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.arc import suite
from tacita.crypto.arc.errors import InvalidProof
from tacita.crypto.arc.sigma import Relation, proof_length, prove, verify
from tacita.crypto.arc.suite import GROUP, Element

SESSION = b"session"


def equal_logarithms(first: Element, second: Element) -> Relation:
    """One scalar, by which two bases are multiplied."""
    relation = Relation()
    (x,) = relation.scalars(1)
    g, h, one, other = relation.elements(GROUP.generator, suite.generator_h(), first, second)
    relation.equate(one, (x, g))
    relation.equate(other, (x, h))
    return relation


@pytest.mark.parametrize("seed", range(3))
def test_equal_logarithms(seed: int) -> None:
    x, y = (suite.scalar(seed + number) for number in (5, 6))
    first, second = GROUP.multiply_generator(x), GROUP.multiply(x, suite.generator_h())
    relation = equal_logarithms(first, second)
    proof = prove(relation, SESSION, [x], os.urandom)
    assert len(proof) == proof_length(1) == 64
    verify(relation, SESSION, proof)
    assert prove(relation, SESSION, [x], os.urandom) != proof
    with pytest.raises(InvalidProof):
        verify(relation, b"another", proof)
    with pytest.raises(InvalidProof):
        verify(relation, SESSION, prove(relation, SESSION, [y], os.urandom))
    unequal = equal_logarithms(first, GROUP.multiply(y, suite.generator_h()))
    for witness in (x, y):
        with pytest.raises(InvalidProof):
            verify(unequal, SESSION, prove(unequal, SESSION, [witness], os.urandom))
    with pytest.raises(InvalidProof):
        verify(unequal, SESSION, proof)


def test_session_and_statement_do_not_run_together() -> None:
    x = suite.scalar(5)
    relation = equal_logarithms(GROUP.multiply_generator(x), GROUP.multiply(x, suite.generator_h()))
    label = relation.label()
    proof = prove(relation, SESSION, [x], os.urandom)
    for session in (SESSION + label[:1], SESSION[:-1], b"", label):
        with pytest.raises(InvalidProof):
            verify(relation, session, proof)


def test_a_label_tells_relations_apart() -> None:
    one, other = GROUP.multiply_generator(suite.scalar(2)), GROUP.multiply_generator(suite.scalar(3))
    labels = {equal_logarithms(one, other).label(), equal_logarithms(other, one).label()}
    relation = equal_logarithms(one, other)
    relation.equate(2, (0, 1))
    labels.add(relation.label())
    assert len(labels) == 3
    with pytest.raises(InvalidProof):
        equal_logarithms(one, one).label()


@given(st.binary(max_size=100) | st.binary(min_size=64, max_size=64))
def test_no_bytes_prove_anything(proof: bytes) -> None:
    one, other = GROUP.multiply_generator(suite.scalar(2)), GROUP.multiply_generator(suite.scalar(3))
    with pytest.raises(InvalidProof):
        verify(equal_logarithms(one, other), SESSION, proof)
