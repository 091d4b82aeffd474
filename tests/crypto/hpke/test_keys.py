import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId
from support import vectors

from tacita.crypto.hpke import InvalidKey, Kem, PrivateKey, PublicKey

DHKEMS = (Kem.P256, Kem.X25519)
"""The KEMs that pyhpke, the oracle, has too."""

# u-coordinates of small order (RFC 7748, Section 6.1 wants their all-zero result looked for):
# 0, 1, the two of order 8, p-1, p, p+1, and some of these with the ignored top bit set.
_P = 2**255 - 19
SMALL_ORDER = [
    value.to_bytes(32, "little")
    for value in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _P - 1,
        _P,
        _P + 1,
        1 << 255,
        (1 << 255) + 1,
    )
]
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def oracle(kem: Kem) -> CipherSuite:
    return CipherSuite.new(KEMId(int(kem)), KDFId.HKDF_SHA256, AEADId.AES128_GCM)


@given(kem=st.sampled_from(DHKEMS), ikm=st.binary(min_size=32, max_size=100))
def test_derived_keys_are_those_of_pyhpke(kem: Kem, ikm: bytes) -> None:
    pair = oracle(kem).kem.derive_key_pair(ikm)
    assert PrivateKey.derive(kem, ikm).public_key.to_bytes() == pair.public_key.to_public_bytes()


@given(kem=st.sampled_from(Kem), ikm=st.binary(min_size=32, max_size=64))
def test_bytes_and_back(kem: Kem, ikm: bytes) -> None:
    private = PrivateKey.derive(kem, ikm)
    again = PrivateKey.from_bytes(kem, private.to_bytes())
    assert again == private
    assert hash(again) == hash(private)
    assert again.to_bytes() == private.to_bytes()
    assert len(private.to_bytes()) == kem.n_sk
    public = PublicKey.from_bytes(kem, private.public_key.to_bytes())
    assert public == private.public_key
    assert hash(public) == hash(private.public_key)
    assert len(public.to_bytes()) == kem.n_pk


@pytest.mark.parametrize("kem", Kem)
def test_generate_takes_its_randomness(kem: Kem) -> None:
    fixed = PrivateKey.generate(kem, random=lambda size: b"\x07" * size)
    assert fixed == PrivateKey.derive(kem, b"\x07" * kem.n_sk)
    assert PrivateKey.generate(kem) != PrivateKey.generate(kem)


@pytest.mark.parametrize("kem", Kem)
def test_equality_and_repr(kem: Kem) -> None:
    private = PrivateKey.generate(kem)
    other = next(k for k in Kem if k is not kem)
    assert private != PrivateKey.generate(other)
    assert private.public_key != PrivateKey.generate(other).public_key
    assert private != private.public_key
    assert private.public_key != b""
    assert repr(private) == f"<PrivateKey {kem.name}>"
    assert repr(private.public_key) == f"<PublicKey {kem.name}>"
    assert private.kem is private.public_key.kem is kem


def test_x25519_private_keys_are_clamped() -> None:
    assert PrivateKey.from_bytes(Kem.X25519, b"\xff" * 32).to_bytes() == b"\xf8" + b"\xff" * 30 + b"\x7f"
    assert PrivateKey.from_bytes(Kem.X25519, bytes(32)).to_bytes() == bytes(31) + b"\x40"


@given(kem=st.sampled_from(Kem), data=st.binary(max_size=100))
def test_garbage_is_a_key_or_invalid(kem: Kem, data: bytes) -> None:
    own = PrivateKey.derive(kem, b"\x01" * 32)
    for attempt in (
        lambda: PrivateKey.from_bytes(kem, data),
        lambda: PublicKey.from_bytes(kem, data).encapsulate(),
        lambda: PrivateKey.derive(kem, data),
        lambda: own.decapsulate(data),
    ):
        try:
            attempt()
        except InvalidKey:
            continue


@given(kem=st.sampled_from(Kem), data=st.data())
def test_every_other_length_is_refused(kem: Kem, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 1_300).filter(lambda n: n not in (kem.n_pk, kem.n_sk, kem.n_enc)))
    for attempt in (PrivateKey.from_bytes, PublicKey.from_bytes):
        with pytest.raises(InvalidKey):
            attempt(kem, b"\x04" * size)
    with pytest.raises(InvalidKey):
        PrivateKey.derive(kem, b"\x01" * 32).decapsulate(b"\x04" * size)


@pytest.mark.parametrize("kem", Kem)
def test_short_keying_material_is_refused(kem: Kem) -> None:
    with pytest.raises(InvalidKey):
        PrivateKey.derive(kem, bytes(kem.n_sk - 1))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_x25519_all_zero_result_is_refused(point: bytes) -> None:
    with pytest.raises(InvalidKey):
        PrivateKey.derive(Kem.X25519, b"\x01" * 32).decapsulate(point)
    with pytest.raises(InvalidKey):
        PublicKey.from_bytes(Kem.X25519, point).encapsulate()


@pytest.mark.parametrize("scalar", [0, P256_ORDER, P256_ORDER + 1, 2**256 - 1])
def test_p256_scalar_out_of_range_is_refused(scalar: int) -> None:
    with pytest.raises(InvalidKey):
        PrivateKey.from_bytes(Kem.P256, scalar.to_bytes(32, "big"))


@pytest.mark.parametrize("scalar", [1, P256_ORDER - 1])
def test_p256_scalar_at_the_edge(scalar: int) -> None:
    key = PrivateKey.from_bytes(Kem.P256, scalar.to_bytes(32, "big"))
    assert int.from_bytes(key.to_bytes(), "big") == scalar


def test_p256_other_forms_of_a_point_are_refused() -> None:
    private = PrivateKey.derive(Kem.P256, b"\x01" * 32)
    point = private.public_key.to_bytes()
    parity = point[64] & 1
    off_curve = point[:64] + bytes([point[64] ^ 1])
    for data in (
        bytes([2 + parity]) + point[1:33],  # compressed
        bytes([6 + parity]) + point[1:],  # hybrid
        b"\x00",  # the point at infinity
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,  # coordinates above the field's prime
        off_curve,
        point + b"\x00",
        point[:-1],
    ):
        with pytest.raises(InvalidKey):
            PublicKey.from_bytes(Kem.P256, data)
        with pytest.raises(InvalidKey):
            private.decapsulate(data)


def test_published_kem_vectors() -> None:
    """The pq draft's vectors use other KDFs, but their DHKEM halves are those of RFC 9180."""
    replayed = 0
    for vector in vectors.shared("ohttp/hpke-pq-test-vectors.json"):
        if vector["kem_id"] not in DHKEMS:
            continue
        kem = Kem(vector["kem_id"])
        recipient = PrivateKey.derive(kem, bytes.fromhex(vector["ikmR"]))
        assert recipient == PrivateKey.from_bytes(kem, bytes.fromhex(vector["skRm"]))
        assert recipient.public_key.to_bytes().hex() == vector["pkRm"]
        assert recipient.decapsulate(bytes.fromhex(vector["enc"])).hex() == vector["shared_secret"]
        ephemeral = PrivateKey.derive(kem, bytes.fromhex(vector["ikmE"]))
        shared_secret, enc = recipient.public_key.encapsulate(ephemeral.to_bytes())
        assert (shared_secret.hex(), enc.hex()) == (vector["shared_secret"], vector["enc"])
        replayed += 1
    assert replayed == 2
