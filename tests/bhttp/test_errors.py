import pytest

from tacita.bhttp import errors
from tacita.errors import TacitaError

LEAVES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("leaf", LEAVES)
def test_each_error_is_of_the_tree_and_says_how_to_answer(leaf: type[TacitaError]) -> None:
    assert issubclass(leaf, TacitaError)
    assert 400 <= leaf.status <= 599
    assert leaf.clause.startswith("RFC ") or leaf is errors.OutOfOrder
