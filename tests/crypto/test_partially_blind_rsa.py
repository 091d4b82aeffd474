"""Partially blind RSA: the draft's vectors forwards, and everything that must not verify."""

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import partially_blind, rsa, vectors
from support.tape import Tape

from tacita.crypto import partially_blind_rsa
from tacita.crypto.partially_blind_keys import derive_public_key
from tacita.crypto.partially_blind_rsa import (
    BlindingFailed,
    InvalidSignature,
    OutOfRange,
    PartiallyBlindSigner,
    SigningFailed,
    Variant,
)
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.safe_primes import NotSafePrimes
from tacita.crypto.signer import best_signer

OWN = vectors.own("partially_blind_rsa_01.json")
KEY = partially_blind.private_key().public_key
VARIANT = Variant.PSS_DETERMINISTIC


def replay(private: RsaPrivateKey, vector: dict[str, Any]) -> None:
    public = private.public_key
    message, metadata = bytes.fromhex(vector["msg"]), bytes.fromhex(vector["info"])
    assert derive_public_key(public, metadata).e == int(vector["eprime"], 16)
    prepared = partially_blind_rsa.prepare(VARIANT, message)
    tape = Tape(bytes.fromhex(vector["salt"]), bytes.fromhex(vector["r"]))
    blinded, inverse = partially_blind_rsa.blind(VARIANT, public, prepared, metadata, rng=tape)
    tape.finish()
    assert blinded.hex() == vector["blind_msg"]
    answer = partially_blind_rsa.blind_sign(PartiallyBlindSigner(private), blinded, metadata)
    assert answer.hex() == vector["blind_sig"]
    signature = partially_blind_rsa.finalize(VARIANT, public, prepared, metadata, answer, inverse)
    assert signature.hex() == vector["sig"]
    assert partially_blind_rsa.verify(VARIANT, public, prepared, metadata, signature) == message


@pytest.mark.parametrize("number", range(4))
def test_the_draft(number: int) -> None:
    replay(partially_blind.private_key(), OWN["vectors"][number])


@pytest.mark.parametrize("number", range(4))
def test_privacypass_ts(number: int) -> None:
    vector = vectors.shared("privacypass/partially-blind-rsa-draft2-ts.json")[number]
    replay(rsa.from_numbers(*(int(vector[name], 16) for name in ("p", "q", "e", "d"))), vector)


@pytest.mark.parametrize("variant", Variant)
@given(message=st.binary(max_size=100), metadata=st.binary(max_size=100))
@settings(max_examples=10, deadline=None)
def test_whatever_was_blinded_verifies(variant: Variant, message: bytes, metadata: bytes) -> None:
    prepared = partially_blind_rsa.prepare(variant, message)
    blinded, inverse = partially_blind_rsa.blind(variant, KEY, prepared, metadata)
    answer = partially_blind_rsa.blind_sign(partially_blind.signer(), blinded, metadata)
    signature = partially_blind_rsa.finalize(variant, KEY, prepared, metadata, answer, inverse)
    assert partially_blind_rsa.verify(variant, KEY, prepared, metadata, signature) == message


@given(st.binary(max_size=64))
def test_exponents_are_odd_and_short_enough_to_have_an_inverse(metadata: bytes) -> None:
    exponent = derive_public_key(KEY, metadata).e
    assert exponent % 2 == 1
    assert 3 <= exponent < 1 << 1022


def test_the_modulus_is_in_the_exponent() -> None:
    assert derive_public_key(KEY, b"").e != derive_public_key(rsa.private_key().public_key, b"").e


@pytest.fixture(scope="module")
def signed() -> tuple[bytes, bytes, bytes, int]:
    blinded, inverse = partially_blind_rsa.blind(VARIANT, KEY, b"message", b"metadata")
    answer = partially_blind_rsa.blind_sign(partially_blind.signer(), blinded, b"metadata")
    signature = partially_blind_rsa.finalize(VARIANT, KEY, b"message", b"metadata", answer, inverse)
    return blinded, answer, signature, inverse


def test_other_metadata_message_or_key_does_not_verify(signed: tuple[bytes, bytes, bytes, int]) -> None:
    signature = signed[2]
    other = rsa.private_key().public_key
    for key, message, metadata, candidate in (
        (KEY, b"message", b"", signature),
        (KEY, b"message", b"metadatA", signature),
        # Where one ends and the other begins is signed, too.
        (KEY, b"amessage", b"metadat", signature),
        (KEY, b"essage", b"metadatam", signature),
        (KEY, b"", b"metadata", signature),
        (other, b"message", b"metadata", signature),
        (KEY, b"message", b"metadata", signature[1:]),
        (KEY, b"message", b"metadata", bytes(256)),
        (KEY, b"message", b"metadata", b"\xff" * 256),
    ):
        with pytest.raises(InvalidSignature):
            partially_blind_rsa.verify(VARIANT, key, message, metadata, candidate)


def test_a_signature_of_the_published_key_does_not_verify(signed: tuple[bytes, bytes, bytes, int]) -> None:
    blinded, _, _, inverse = signed
    plain = best_signer(partially_blind.private_key()).sign([blinded])[0]
    with pytest.raises(InvalidSignature):
        partially_blind_rsa.finalize(VARIANT, KEY, b"message", b"metadata", plain, inverse)


def test_a_signer_that_signs_under_other_metadata_is_found_out(
    signed: tuple[bytes, bytes, bytes, int],
) -> None:
    blinded, answer, _, inverse = signed
    marked = partially_blind_rsa.blind_sign(partially_blind.signer(), blinded, b"client 7")
    for wrong in (marked, answer[1:], answer + b"\0", bytes(256), blinded):
        with pytest.raises(InvalidSignature):
            partially_blind_rsa.finalize(VARIANT, KEY, b"message", b"metadata", wrong, inverse)


def test_a_randomized_message_has_a_prefix(signed: tuple[bytes, bytes, bytes, int]) -> None:
    with pytest.raises(InvalidSignature):
        partially_blind_rsa.verify(Variant.PSS_RANDOMIZED, KEY, b"x" * 31, b"metadata", signed[2])


def test_randomness_that_never_fits_is_given_up() -> None:
    with pytest.raises(BlindingFailed):
        partially_blind_rsa.blind(VARIANT, KEY, b"", b"", rng=bytes)


class TestSigner:
    def test_signs_a_batch_in_order(self) -> None:
        asked = [partially_blind_rsa.blind(VARIANT, KEY, b"%d" % number, b"x") for number in range(5)]
        answers = partially_blind.signer().sign([blinded for blinded, _ in asked], b"x")
        for number, (answer, (_, inverse)) in enumerate(zip(answers, asked, strict=True)):
            partially_blind_rsa.finalize(VARIANT, KEY, b"%d" % number, b"x", answer, inverse)

    def test_an_empty_batch_derives_nothing(self) -> None:
        signer = PartiallyBlindSigner(partially_blind.private_key())
        assert signer.sign([], b"x") == []
        assert not signer._keys

    def test_refuses_what_is_out_of_range(self) -> None:
        signer = partially_blind.signer()
        good = (5).to_bytes(256, "big")
        for wrong in (bytes(256), KEY.n.to_bytes(256, "big"), b"\1" * 255, b"", b"\1" * 257):
            with pytest.raises(OutOfRange):
                signer.sign([good, wrong], b"x")

    def test_ordinary_keys_are_refused(self) -> None:
        with pytest.raises(NotSafePrimes):
            PartiallyBlindSigner(rsa.private_key())

    def test_keeps_so_many_keys_and_no_more(self) -> None:
        signer = PartiallyBlindSigner(partially_blind.private_key(), cached=3)
        message = [(5).to_bytes(256, "big")]
        first = signer.sign(message, b"0")
        kept = signer._keys[b"0"]
        for metadata in (b"1", b"2", b"0", b"3"):
            signer.sign(message, metadata)
        assert list(signer._keys) == [b"2", b"0", b"3"]
        assert signer._keys[b"0"] is kept
        for metadata in (b"4", b"5", b"6"):
            signer.sign(message, metadata)
        assert signer.sign(message, b"0") == first

    def test_never_releases_a_wrong_signature(self, monkeypatch: pytest.MonkeyPatch) -> None:
        signer = PartiallyBlindSigner(partially_blind.private_key())
        # A fault that leaves a key which fits together, but is for another exponent than the metadata's.
        other = signer._primes.private_key(3)
        right = derive_public_key(KEY, b"x").e
        wrong_public = rsa.with_public_exponent(other, right)
        monkeypatch.setattr(signer._primes, "private_key", lambda _: wrong_public)
        with pytest.raises(SigningFailed) as caught:
            signer.sign([(5).to_bytes(256, "big")] * 2, b"x")
        assert caught.value.__context__ is None

    def test_threads_share_one_signer(self) -> None:
        signer = PartiallyBlindSigner(partially_blind.private_key(), cached=2)
        message = [(5).to_bytes(256, "big")]
        expected = {number: partially_blind.signer().sign(message, b"%d" % number) for number in range(4)}
        found: list[bool] = []

        def work(number: int) -> None:
            for step in range(8):
                which = (number + step) % 4
                found.append(signer.sign(message, b"%d" % which) == expected[which])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [True] * 64
