"""P-256 and P-384 against the contract, RFC 9380's points, and the forms that libcrypto would take."""

from typing import Any

import pytest
from contracts.group import GroupContract
from support import vectors

from tacita.crypto.groups.ec import NistCurve
from tacita.crypto.groups.errors import GroupUnavailable
from tacita.crypto.groups.p256 import P256
from tacita.crypto.groups.p384 import P384
from tacita.crypto.groups.sswu import HashToCurve

CURVES = {"P256_XMD:SHA-256_SSWU_RO_": P256, "P384_XMD:SHA-384_SSWU_RO_": P384}


def bad_elements(p: int, b: int, curve: NistCurve) -> tuple[bytes, ...]:
    length = curve.element_length - 1
    generator = curve.generator.encoding
    x = int.from_bytes(generator[1:], "big")
    y = pow(x**3 - 3 * x + b, (p + 1) // 4, p)
    while pow(x**3 - 3 * x + b, (p - 1) // 2, p) == 1:
        x += 1
    return (
        b"\2" + x.to_bytes(length, "big"),  # no point has this coordinate
        b"\2" + p.to_bytes(length, "big"),  # not reduced
        b"\3" + b"\xff" * length,
        *(bytes((head,)) + generator[1:] for head in (0, 1, 4, 5, 6, 7, 255)),
        b"\4" + generator[1:] + y.to_bytes(length, "big"),  # uncompressed
        bytes((6 + y % 2,)) + generator[1:] + y.to_bytes(length, "big"),  # hybrid
        b"\1",
    )


class TestP256(GroupContract):
    group = P256
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    byteorder = "big"
    identities = (b"\0", bytes(33), b"\2" + bytes(32) + b"\0")
    bad_elements = bad_elements(
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        P256,
    )


class TestP384(GroupContract):
    group = P384
    order = int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
    byteorder = "big"
    identities = (b"\0", bytes(49))
    bad_elements = bad_elements(
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        int(
            "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
            16,
        ),
        P384,
    )


@pytest.mark.parametrize("number", range(2))
def test_rfc_9380(number: int) -> None:
    document: dict[str, Any] = vectors.own("rfc9380.json")["hash_to_curve"][number]
    curve = CURVES[document["suite"]]
    for vector in document["vectors"]:
        element = curve.hash_to_element(vector["msg"].encode(), document["dst"].encode())
        y = int(vector["y"], 16)
        assert element.encoding.hex() == f"{2 + y % 2:02x}{vector['x']}"


def test_the_exceptional_input_of_the_map_is_on_the_curve() -> None:
    # u = 0 makes the denominator vanish (RFC 9380, Section 6.6.2, step 4).
    p, b = (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        int("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b", 16),
    )
    hashing = HashToCurve(p=p, b=b, z=-10, hash_name="sha256", expansion=48)
    x, y = hashing._map(0)
    assert (y * y - (x**3 - 3 * x + b)) % p == 0
    assert y % 2 == 0


def test_a_machine_without_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    curve = NistCurve("P-384", 715, TestP384.order, P384._hashing)
    with pytest.raises(GroupUnavailable, match="libssl3"):
        curve.decode(P384.generator.encoding)


def test_a_libcrypto_without_the_curve() -> None:
    curve = NistCurve("P-0", 1, TestP384.order, P384._hashing)
    with pytest.raises(GroupUnavailable, match="P-0"):
        curve.decode(P384.generator.encoding)
