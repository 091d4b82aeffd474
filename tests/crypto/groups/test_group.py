"""What holds for any element and any scalar of any group."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.groups.errors import ElementMalformed
from tacita.crypto.groups.group import Group
from tacita.crypto.groups.p256 import P256
from tacita.crypto.groups.p384 import P384
from tacita.crypto.groups.ristretto255 import RISTRETTO255

EACH = pytest.mark.parametrize("group", [P256, P384, RISTRETTO255], ids=["p256", "p384", "ristretto255"])

ORDERS = {
    P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    P384: int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
    RISTRETTO255: 2**252 + 27742317777372353535851937790883648493,
}


def encoded(group: Group[Any, Any], value: int) -> bytes:
    return value.to_bytes(group.scalar_length, "little" if group is RISTRETTO255 else "big")


@EACH
@given(data=st.data())
def test_garbage_is_an_element_or_refused(group: Group[Any, Any], data: st.DataObject) -> None:
    length = group.element_length
    exact = st.binary(min_size=length - 1, max_size=length - 1)
    encoding = data.draw(
        st.binary(max_size=length + 3)
        | exact.map(lambda tail: b"\2" + tail)
        | exact.map(lambda head: bytes((head[0] & 0xFE,)) + head[1:] + bytes((head[0] & 0x7F,)))
    )
    try:
        element = group.decode(encoding)
    except ElementMalformed:
        return
    assert element.encoding == encoding
    # The point itself and not the bytes that it came from: half of its double.
    half = group.invert_scalar(group.decode_scalar(encoded(group, 2)))
    assert group.multiply(half, group.add(element, element)).encoding == encoding


@EACH
@given(first=st.integers(min_value=0), second=st.integers(min_value=1))
def test_scalars_compute_modulo_the_order(group: Group[Any, Any], first: int, second: int) -> None:
    q = ORDERS[group]
    first, second = first % q, second % (q - 1) + 1
    one, other = (group.decode_scalar(encoded(group, value)) for value in (first, second))
    for result, expected in (
        (group.add_scalars(one, other), first + second),
        (group.subtract_scalars(one, other), first - second),
        (group.multiply_scalars(one, other), first * second),
        (group.invert_scalar(other), pow(second, -1, q)),
        (one, first),
    ):
        assert group.encode_scalar(result) == encoded(group, expected % q)
    assert group.is_zero(one) == (first == 0)
