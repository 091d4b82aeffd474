"""The same answers with gmpy2 and without it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto import modular

NUMBERS = st.integers(1, 1 << 256)


@pytest.fixture(params=[True, False], ids=["gmpy2", "python"], scope="module", autouse=True)
def arithmetic(request: pytest.FixtureRequest) -> object:
    with pytest.MonkeyPatch.context() as patch:
        if not request.param:
            patch.setattr(modular, "gmpy2", None)
        yield


@given(base=NUMBERS, exponent=NUMBERS, modulus=NUMBERS)
def test_power(base: int, exponent: int, modulus: int) -> None:
    assert modular.power(base, exponent, modulus) == pow(base, exponent, modulus)


@given(value=NUMBERS, modulus=st.integers(2, 1 << 256))
def test_inverse_exists_for_coprimes_only(value: int, modulus: int) -> None:
    if modular.is_coprime(value, modulus):
        assert value * modular.inverse(value, modulus) % modulus == 1
    else:
        with pytest.raises(ValueError, match="inver"):
            modular.inverse(value, modulus)
