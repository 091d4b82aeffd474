"""X-Wing against its draft's vectors and those of HPKE with it; edges of its two halves.

`cryptography` takes no randomness for ML-KEM, so encapsulation is shown by what opens it: vectors
are replayed on the side of the recipient.
"""

import hashlib
import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from support import vectors

from tacita.crypto.hpke import (
    Aead,
    InvalidKey,
    Kdf,
    Kem,
    OpenFailed,
    PrivateKey,
    PublicKey,
    RecipientSetup,
    Suite,
    setup_sender,
)

KEY = PrivateKey.derive(Kem.XWING, b"\x01" * 32)
DRAFT = vectors.own("xwing.json")["vectors"]

SMALL_ORDER = [(0).to_bytes(32, "little"), (1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little")]


def hexed(vector: dict[str, str], name: str) -> bytes:
    return bytes.fromhex(vector[name])


@pytest.mark.parametrize("vector", DRAFT)
def test_vectors_of_the_draft(vector: dict[str, str]) -> None:
    private = PrivateKey.from_bytes(Kem.XWING, hexed(vector, "private_key"))
    assert private.public_key.to_bytes() == hexed(vector, "public_key")
    assert private.public_key == PublicKey.from_bytes(Kem.XWING, hexed(vector, "public_key"))
    assert private.decapsulate(hexed(vector, "enc")) == hexed(vector, "shared_secret")
    # The second half of the seed is the ephemeral X25519 key.
    ephemeral = X25519PrivateKey.from_private_bytes(hexed(vector, "encapsulation_seed")[32:])
    assert hexed(vector, "enc")[1_088:] == ephemeral.public_key().public_bytes_raw()


def test_there_are_three_vectors() -> None:
    assert len(DRAFT) == 3


def test_hpke_vectors_of_the_pq_draft() -> None:
    """KEM of all that use X-Wing; the whole of HPKE for those with a KDF that is here."""
    seen = []
    for vector in vectors.shared("ohttp/hpke-pq-test-vectors.json"):
        if vector["kem_id"] != Kem.XWING:
            continue
        private = PrivateKey.derive(Kem.XWING, hexed(vector, "ikmR"))
        assert private == PrivateKey.from_bytes(Kem.XWING, hexed(vector, "skRm"))
        assert private.public_key.to_bytes() == hexed(vector, "pkRm")
        assert private.decapsulate(hexed(vector, "enc")) == hexed(vector, "shared_secret")
        seen.append((vector["kdf_id"], vector["aead_id"]))
        if vector["kdf_id"] not in list(Kdf):
            continue
        suite = Suite(Kem.XWING, Kdf(vector["kdf_id"]), Aead(vector["aead_id"]))
        setup = RecipientSetup(suite, private, hexed(vector, "info"))
        context = setup.open(hexed(vector, "enc"))
        for message in vector["encryptions"]:
            assert context.open(hexed(message, "aad"), hexed(message, "ct")) == hexed(message, "pt")
        for export in vector["exports"]:
            exported = context.export(hexed(export, "exporter_context"), export["L"])
            assert exported == hexed(export, "exported_value")
    assert seen == [(1, 3), (17, 3)]


@given(ikm=st.binary(min_size=32, max_size=100))
def test_what_is_encapsulated_is_decapsulated(ikm: bytes) -> None:
    private = PrivateKey.derive(Kem.XWING, ikm)
    public = PublicKey.from_bytes(Kem.XWING, private.public_key.to_bytes())
    (secret, enc), (other, _) = public.encapsulate(), public.encapsulate()
    assert len(enc) == Kem.XWING.n_enc
    assert len(secret) == 32
    assert private.decapsulate(enc) == secret != other


@given(bit=st.integers(0, 8 * 1_120 - 1))
def test_any_flipped_bit_gives_another_secret_and_no_error(bit: int) -> None:
    secret, enc = KEY.public_key.encapsulate()
    changed = bytearray(enc)
    changed[bit // 8] ^= 1 << bit % 8
    # The top bit of an X25519 point is ignored there (RFC 7748, Section 5), but is in the hash here.
    assert KEY.decapsulate(bytes(changed)) != secret


def test_every_part_counts() -> None:
    """Neither half alone opens: the secret is that of both, or another one."""
    (first, one), (second, two) = KEY.public_key.encapsulate(), KEY.public_key.encapsulate()
    mixed = {KEY.decapsulate(a[:1_088] + b[1_088:]) for a, b in itertools.product((one, two), repeat=2)}
    assert len(mixed) == 4
    assert {first, second} < mixed


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_point_of_small_order_is_zeros_and_no_error(point: bytes) -> None:
    """The draft leaves it to ML-KEM then; both ends have to agree on it."""
    _, enc = KEY.public_key.encapsulate()
    secret = KEY.decapsulate(enc[:1_088] + point)
    assert secret not in (KEY.decapsulate(enc), bytes(32))
    weak = PublicKey.from_bytes(Kem.XWING, KEY.public_key.to_bytes()[:1_184] + point)
    assert len({weak.encapsulate()[0] for _ in range(3)}) == 3


def test_the_secret_is_the_drafts_hash_of_zeros_for_a_point_of_small_order() -> None:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

    seed = hashlib.shake_256(KEY.to_bytes()).digest(96)
    _, enc = KEY.public_key.encapsulate()
    ml_kem = MLKEM768PrivateKey.from_seed_bytes(seed[:64]).decapsulate(enc[:1_088])
    hashed = (
        ml_kem + bytes(32) + bytes(32) + KEY.public_key.to_bytes()[1_184:] + bytes.fromhex("5c2e2f2f5e5c")
    )
    assert KEY.decapsulate(enc[:1_088] + bytes(32)) == hashlib.sha3_256(hashed).digest()


@pytest.mark.parametrize("coefficients", [b"\x01\x0d\x00", b"\xff\xff\xff", b"\x00\x10\xd0"])
def test_a_public_key_above_the_modulus_is_refused(coefficients: bytes) -> None:
    """FIPS 203, Section 7.2: two coefficients of 12 bits in three bytes, below 3,329 = 0xd01."""
    with pytest.raises(InvalidKey):
        PublicKey.from_bytes(Kem.XWING, coefficients + KEY.public_key.to_bytes()[3:])


def test_lengths() -> None:
    _, enc = KEY.public_key.encapsulate()
    for data in (b"", enc[:-1], enc + b"\0", enc[:1_088], enc[:32]):
        with pytest.raises(InvalidKey):
            KEY.decapsulate(data)
    public = KEY.public_key.to_bytes()
    for data in (b"", public[:-1], public + b"\0", public[:1_184]):
        with pytest.raises(InvalidKey):
            PublicKey.from_bytes(Kem.XWING, data)
    for size in (31, 33, 96):
        with pytest.raises(InvalidKey):
            PrivateKey.from_bytes(Kem.XWING, bytes(size))


def test_it_cannot_be_repeated() -> None:
    suite = Suite(Kem.XWING, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    with pytest.raises(ValueError, match="cannot be repeated"):
        setup_sender(suite, KEY.public_key, b"", ephemeral=bytes(64))


def test_a_damaged_encapsulation_is_found_by_the_aead() -> None:
    suite = Suite(Kem.XWING, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    enc, sender = setup_sender(suite, KEY.public_key, b"")
    sealed, setup = sender.seal(b"", b"text"), RecipientSetup(suite, KEY, b"")
    assert setup.open(enc).open(b"", sealed) == b"text"
    with pytest.raises(OpenFailed):
        setup.open(bytes([enc[0] ^ 1]) + enc[1:]).open(b"", sealed)
