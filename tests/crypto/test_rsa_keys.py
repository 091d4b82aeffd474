"""Keys in the form of RFC 9578, Section 6.5: what is read, what is written, what is refused."""

import contextlib
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from support import rsa as keys
from support import vectors

from tacita.crypto.rsa_keys import KeyMalformed, OutOfRange, RsaPrivateKey, RsaPublicKey

PUBLISHED = bytes.fromhex(vectors.own("rfc9578.json")["public_key"])
SHA384 = bytes.fromhex("300b0609608648016503040202")
SHA384_NULL = bytes.fromhex("300d06096086480165030402020500")


def test_the_published_form_is_what_we_write() -> None:
    private = RsaPrivateKey.from_pem(vectors.own("rfc9578.json")["private_key_pem"].encode())
    assert private.public_key.spki == PUBLISHED
    assert RsaPublicKey(PUBLISHED) == private.public_key
    assert len({RsaPublicKey(PUBLISHED), private.public_key}) == 1


def test_the_key_id_names_the_bytes_that_came_in() -> None:
    # RFC 4055, Section 2.1: NULL parameters are to be accepted; the name stays that of the original.
    with_null = PUBLISHED.replace(SHA384, SHA384_NULL)
    with_null = with_null.replace(bytes.fromhex("303d0609"), bytes.fromhex("30410609"))
    with_null = with_null.replace(bytes.fromhex("3030a00d"), bytes.fromhex("3034a00f"))
    with_null = with_null.replace(bytes.fromhex("a11a3018"), bytes.fromhex("a11c301a"))
    with_null = bytes.fromhex("30820156") + with_null[4:]
    key = RsaPublicKey(with_null)
    assert key.spki == with_null
    assert key.key_id == hashlib.sha256(with_null).digest() != RsaPublicKey(PUBLISHED).key_id
    assert key.n == RsaPublicKey(PUBLISHED).n


@pytest.mark.parametrize("bits", [1024, 2047, 4104])
def test_other_sizes_are_refused(bits: int) -> None:
    with pytest.raises(KeyMalformed):
        RsaPublicKey.from_numbers(rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1))


@pytest.mark.parametrize("exponent", [3, 65539, (1 << 255) + 1])
def test_other_exponents_are_refused(exponent: int) -> None:
    with pytest.raises(KeyMalformed):
        RsaPublicKey.from_numbers(rsa.RSAPublicNumbers(exponent, RsaPublicKey(PUBLISHED).n))


def test_an_even_modulus_is_refused() -> None:
    with pytest.raises(KeyMalformed):
        RsaPublicKey.from_numbers(rsa.RSAPublicNumbers(65537, 1 << 2047))


def test_rsa_encryption_is_refused() -> None:
    # RFC 9474, Section 6.2: the key is for this and nothing else, and its identifier says so.
    plain = RsaPublicKey(PUBLISHED).handle.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyMalformed):
        RsaPublicKey(plain)


def test_other_algorithms_are_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(KeyMalformed):
        RsaPublicKey(other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeyMalformed):
        RsaPrivateKey.from_pem(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    "wrong",
    [
        PUBLISHED[:-1],
        PUBLISHED + b"\0",
        PUBLISHED.replace(bytes.fromhex("020130"), bytes.fromhex("020120")),  # salt length 32
        PUBLISHED.replace(SHA384, bytes.fromhex("300b0609608648016503040201")),  # SHA-256
        b"",
        bytes(2000),
    ],
    ids=["short", "long", "salt", "hash", "empty", "huge"],
)
def test_other_bytes_are_refused(wrong: bytes) -> None:
    with pytest.raises(KeyMalformed):
        RsaPublicKey(wrong)


@given(st.binary(max_size=600))
def test_garbage_is_malformed(data: bytes) -> None:
    with pytest.raises(KeyMalformed):
        RsaPublicKey(data)


@given(position=st.integers(0, len(PUBLISHED) - 1), flip=st.integers(1, 255))
def test_one_changed_byte_is_another_key_or_none(position: int, flip: int) -> None:
    data = bytearray(PUBLISHED)
    data[position] ^= flip
    with contextlib.suppress(KeyMalformed):
        assert RsaPublicKey(bytes(data)).spki == bytes(data)


def test_private_keys_round_trip_and_do_not_print() -> None:
    key = keys.private_key()
    assert RsaPrivateKey.from_pem(key.to_pem()).public_key == key.public_key
    assert str(key.numbers().d) not in repr(key)
    for wrong in (b"", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", key.to_der()):
        with pytest.raises(KeyMalformed):
            RsaPrivateKey.from_pem(wrong)


def test_representatives_are_in_range() -> None:
    key = RsaPublicKey(PUBLISHED)
    assert key.representative((1).to_bytes(256, "big")) == 1
    for wrong in (bytes(256), key.n.to_bytes(256, "big"), b"\xff" * 256, b"\1" * 255, b"\0" + b"\1" * 256):
        with pytest.raises(OutOfRange):
            key.representative(wrong)
