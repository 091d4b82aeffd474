"""Contexts of every suite against pyhpke, and what they refuse."""

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from tacita.crypto.hpke import (
    Aead,
    HpkeError,
    InvalidKey,
    Kdf,
    Kem,
    MessageLimitReached,
    OpenFailed,
    PrivateKey,
    RecipientContext,
    RecipientSetup,
    SenderContext,
    Suite,
    kdf,
    setup_sender,
)
from tacita.crypto.hpke.aead import cipher
from tacita.crypto.hpke.sequence import OpeningSequence, SealingSequence

DHKEMS = (Kem.P256, Kem.X25519)
"""The KEMs that pyhpke, the oracle, has too."""

SUITES = [Suite(*parts) for parts in itertools.product(Kem, Kdf, Aead)]
every_suite = pytest.mark.parametrize(
    "suite", SUITES, ids=lambda suite: f"{suite.kem.name}-{suite.kdf.name}-{suite.aead.name}"
)

suites = st.sampled_from(SUITES)
suites_of_pyhpke = st.sampled_from([suite for suite in SUITES if suite.kem in DHKEMS])
messages = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=300)), min_size=1, max_size=4)
exports = st.tuples(st.binary(max_size=60), st.integers(1, 200))


def oracle(suite: Suite) -> CipherSuite:
    return CipherSuite.new(KEMId(int(suite.kem)), KDFId(int(suite.kdf)), AEADId(int(suite.aead)))


def pair(suite: Suite, info: bytes = b"info") -> tuple[SenderContext, RecipientContext]:
    private_key = PrivateKey.derive(suite.kem, b"\x05" * 32)
    enc, sender = setup_sender(suite, private_key.public_key, info)
    return sender, RecipientSetup(suite, private_key, info).open(enc)


@given(
    suite=suites_of_pyhpke,
    ikm=st.binary(min_size=32, max_size=32),
    info=st.binary(max_size=80),
    messages=messages,
    export=exports,
)
def test_opens_what_pyhpke_seals(
    suite: Suite, ikm: bytes, info: bytes, messages: list[tuple[bytes, bytes]], export: tuple[bytes, int]
) -> None:
    theirs = oracle(suite)
    key = theirs.kem.derive_key_pair(ikm)
    enc, sender = theirs.create_sender_context(key.public_key, info)
    recipient = RecipientSetup(suite, PrivateKey.derive(suite.kem, ikm), info).open(enc)
    for aad, plaintext in messages:
        assert recipient.open(aad, sender.seal(plaintext, aad)) == plaintext
    assert recipient.export(*export) == sender.export(*export)


@given(
    suite=suites_of_pyhpke,
    ikm=st.binary(min_size=32, max_size=32),
    info=st.binary(max_size=80),
    messages=messages,
    export=exports,
)
def test_pyhpke_opens_what_is_sealed(
    suite: Suite, ikm: bytes, info: bytes, messages: list[tuple[bytes, bytes]], export: tuple[bytes, int]
) -> None:
    theirs = oracle(suite)
    key = theirs.kem.derive_key_pair(ikm)
    enc, sender = setup_sender(suite, PrivateKey.derive(suite.kem, ikm).public_key, info)
    assert len(enc) == suite.n_enc
    recipient = theirs.create_recipient_context(enc, key.private_key, info)
    for aad, plaintext in messages:
        sealed = sender.seal(aad, plaintext)
        assert len(sealed) == len(plaintext) + suite.n_t
        assert recipient.open(sealed, aad) == plaintext
    assert recipient.export(*export) == sender.export(*export)


@given(suite=suites_of_pyhpke, seed=st.binary(min_size=32, max_size=32))
def test_same_ephemeral_key_same_bytes_as_pyhpke(suite: Suite, seed: bytes) -> None:
    theirs = oracle(suite)
    recipient, ephemeral = theirs.kem.derive_key_pair(b"\x05" * 32), theirs.kem.derive_key_pair(seed)
    enc, sender = setup_sender(
        suite,
        PrivateKey.derive(suite.kem, b"\x05" * 32).public_key,
        b"info",
        ephemeral=PrivateKey.derive(suite.kem, seed).to_bytes(),
    )
    expected_enc, expected = theirs.create_sender_context(recipient.public_key, b"info", eks=ephemeral)
    assert enc == expected_enc
    assert sender.seal(b"aad", b"text") == expected.seal(b"text", b"aad")


def test_oracle_key_from_bytes() -> None:
    """A private key as bytes means the same key to `cryptography` and to us."""
    suite = Suite(Kem.X25519, Kdf.HKDF_SHA512, Aead.CHACHA20_POLY1305)
    private_key = PrivateKey.derive(Kem.X25519, b"\x09" * 32)
    enc, sender = setup_sender(suite, private_key.public_key, b"")
    key = KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(private_key.to_bytes()))
    assert oracle(suite).create_recipient_context(enc, key, b"").open(sender.seal(b"", b"x")) == b"x"


@every_suite
def test_setup_is_used_many_times(suite: Suite) -> None:
    private_key = PrivateKey.generate(suite.kem)
    setup = RecipientSetup(suite, private_key, b"info")
    sent = [setup_sender(suite, private_key.public_key, b"info") for _ in range(3)]
    assert len({enc for enc, _ in sent}) == 3, "each set-up draws a fresh ephemeral key"
    for enc, sender in reversed(sent):
        assert setup.open(enc).open(b"", sender.seal(b"", enc)) == enc


@given(
    suite=suites, bit=st.integers(min_value=0), aad=st.binary(max_size=20), plaintext=st.binary(max_size=60)
)
def test_any_flipped_bit_is_refused(suite: Suite, bit: int, aad: bytes, plaintext: bytes) -> None:
    sender, recipient = pair(suite)
    sealed = bytearray(sender.seal(aad, plaintext))
    position = bit % (8 * len(sealed))
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises(OpenFailed):
        recipient.open(aad, bytes(sealed))


@given(suite=suites, garbage=st.binary(max_size=200))
def test_garbage_is_refused(suite: Suite, garbage: bytes) -> None:
    with pytest.raises(OpenFailed):
        pair(suite)[1].open(b"", garbage)


@every_suite
def test_other_aad_order_info_or_key_is_refused(suite: Suite) -> None:
    sender, recipient = pair(suite)
    first, second = sender.seal(b"", b"1"), sender.seal(b"", b"2")
    for aad, sealed in (
        (b"other", first),
        (b"", second),
        (b"", first[:-1]),
        (b"", first + b"\0"),
        (b"", b""),
    ):
        with pytest.raises(OpenFailed):
            recipient.open(aad, sealed)
    assert recipient.open(b"", first) == b"1", "a failure leaves the position as it was"
    assert recipient.open(b"", second) == b"2"
    with pytest.raises(OpenFailed):
        recipient.open(b"", second)

    private_key = PrivateKey.derive(suite.kem, b"\x05" * 32)
    enc, sender = setup_sender(suite, private_key.public_key, b"info")
    sealed = sender.seal(b"", b"text")
    for key, info in ((private_key, b"other"), (PrivateKey.generate(suite.kem), b"info")):
        with pytest.raises(OpenFailed):
            RecipientSetup(suite, key, info).open(enc).open(b"", sealed)


@every_suite
def test_suites_have_separate_keys(suite: Suite) -> None:
    """The suite id goes into every label, even where all sizes agree."""
    private_key = PrivateKey.derive(suite.kem, b"\x05" * 32)
    enc, _ = setup_sender(suite, private_key.public_key, b"")
    others = [Suite(suite.kem, suite.kdf, aead) for aead in Aead]
    exported = {RecipientSetup(other, private_key, b"").open(enc).export(b"", 32) for other in others}
    assert len(exported) == len(Aead)


@every_suite
def test_export_bounds(suite: Suite) -> None:
    sender, recipient = pair(suite)
    longest = 255 * kdf.of(suite.kdf).size
    assert sender.export(b"x", longest) == recipient.export(b"x", longest)
    for length in (-1, longest + 1):
        with pytest.raises(ValueError, match="255 digests"):
            sender.export(b"x", length)


@pytest.mark.parametrize("aead", Aead)
def test_nonces_run_out(aead: Aead) -> None:
    """A sequence with one byte of nonces, so that its end can be reached."""

    class OneByteNonces:
        def __init__(self) -> None:
            self.real = cipher(aead, bytes(aead.n_k))

        def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
            return self.real.encrypt(nonce.rjust(12, b"\0"), data, associated_data)

        def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
            return self.real.decrypt(nonce.rjust(12, b"\0"), data, associated_data)

    sealing, opening = SealingSequence(OneByteNonces(), b"\xa5"), OpeningSequence(OneByteNonces(), b"\xa5")
    sealed = [sealing.seal(b"", b"") for _ in range(255)]
    assert len(set(sealed)) == 255
    assert [opening.open(b"", one) for one in sealed] == [b""] * 255
    with pytest.raises(MessageLimitReached):
        sealing.seal(b"", b"")
    with pytest.raises(MessageLimitReached):
        opening.open(b"", b"")


@pytest.mark.parametrize("aead", Aead)
def test_cipher_takes_keys_of_its_own_length_only(aead: Aead) -> None:
    for size in {0, 16, 24, 32, 33} - {aead.n_k}:
        with pytest.raises(ValueError, match="length"):
            cipher(aead, bytes(size))


def test_key_of_another_kem_is_a_mistake() -> None:
    x25519, p256 = PrivateKey.generate(Kem.X25519), PrivateKey.generate(Kem.P256)
    suite = Suite(Kem.X25519, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    with pytest.raises(ValueError, match="another KEM"):
        setup_sender(suite, p256.public_key, b"")
    with pytest.raises(ValueError, match="another KEM"):
        RecipientSetup(suite, p256, b"")
    with pytest.raises(InvalidKey):
        setup_sender(suite, x25519.public_key, b"", ephemeral=bytes(31))


def test_sizes_are_those_of_the_registry() -> None:
    sizes = {suite.aead: (suite.n_k, suite.n_n, suite.n_t) for suite in SUITES}
    assert sizes == {
        Aead.AES_128_GCM: (16, 12, 16),
        Aead.AES_256_GCM: (32, 12, 16),
        Aead.CHACHA20_POLY1305: (32, 12, 16),
    }
    assert {suite.kem: (suite.n_enc, suite.n_pk, suite.kem.n_sk) for suite in SUITES} == {
        Kem.P256: (65, 65, 32),
        Kem.X25519: (32, 32, 32),
        Kem.XWING: (1_120, 1_216, 32),
    }


def test_one_family_of_errors() -> None:
    assert all(issubclass(error, HpkeError) for error in (InvalidKey, OpenFailed, MessageLimitReached))
