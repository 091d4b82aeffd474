"""RFC 9474: its vectors byte for byte, other implementations' vectors, and what must be refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import rsa, vectors
from support.tape import Tape

from tacita.crypto import blind_rsa, emsa_pss, modular
from tacita.crypto.blind_rsa import BlindingFailed, InvalidSignature, OutOfRange, Variant
from tacita.crypto.signer import best_signer

OWN = vectors.own("rfc9474.json")


def replay(
    variant: Variant, key: dict[str, Any], vector: dict[str, Any], *, prefix: str, prepared: str
) -> None:
    private = rsa.from_numbers(*(int(key[name], 16) for name in ("p", "q", "e", "d")))
    public = private.public_key
    tape = Tape(bytes.fromhex(prefix)) if variant.randomized else Tape()
    message = bytes.fromhex(vector["msg"])
    made = blind_rsa.prepare(variant, message, rng=tape)
    assert made.hex() == prepared
    salt = bytes.fromhex(vector["salt"])
    if "encoded_msg" in vector:
        assert emsa_pss.encode(made, public.n.bit_length() - 1, salt).hex() == vector[
            "encoded_msg"
        ].removeprefix("0x")
    inverse = int(vector["inv"], 16)
    factor = pow(inverse, -1, public.n).to_bytes(public.modulus_size, "big")
    tape = Tape(salt, factor)
    blinded, unblind = blind_rsa.blind(variant, public, made, rng=tape)
    tape.finish()
    assert blinded.hex() == vector["blinded_msg"]
    assert unblind == inverse
    answer = blind_rsa.blind_sign(best_signer(private), blinded)
    assert answer.hex() == vector["blind_sig"]
    signature = blind_rsa.finalize(variant, public, made, answer, unblind)
    assert signature.hex() == vector["sig"]
    assert blind_rsa.verify(variant, public, made, signature) == message


@pytest.mark.parametrize("vector", OWN["vectors"], ids=lambda vector: vector["variant"])
def test_rfc_9474(vector: dict[str, Any]) -> None:
    variant = Variant(vector["variant"])
    replay(variant, OWN["key"], vector, prefix=vector["msg_prefix"], prepared=vector["prepared_msg"])


@pytest.mark.parametrize("vector", OWN["vectors"], ids=lambda vector: vector["variant"])
def test_rfc_9474_without_gmpy2(vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modular, "gmpy2", None)
    test_rfc_9474(vector)


@pytest.mark.parametrize("number", range(4))
def test_circl(number: int) -> None:
    vector = vectors.shared("privacypass/rfc9474-circl.json")[number]
    variant = Variant(vector["name"])
    replay(variant, vector, vector, prefix=vector["msg_prefix"], prepared=vector["input_msg"])


@pytest.mark.parametrize("number", range(2))
def test_draft_vectors_with_and_without_salt(number: int) -> None:
    vector = vectors.shared("privacypass/rfc9474-rsabssa-4-variants.json")[number]
    variant = Variant.PSS_DETERMINISTIC if vector["salt"] else Variant.PSSZERO_DETERMINISTIC
    replay(variant, vector, vector, prefix="", prepared=vector["msg"])


@pytest.mark.parametrize("variant", Variant)
@given(message=st.binary(max_size=200))
@settings(max_examples=10, deadline=None)
def test_whatever_was_blinded_verifies(variant: Variant, message: bytes) -> None:
    private = rsa.private_key()
    prepared = blind_rsa.prepare(variant, message)
    blinded, inverse = blind_rsa.blind(variant, private.public_key, prepared)
    answer = blind_rsa.blind_sign(best_signer(private), blinded)
    signature = blind_rsa.finalize(variant, private.public_key, prepared, answer, inverse)
    assert blind_rsa.verify(variant, private.public_key, prepared, signature) == message


def test_blinding_hides_the_message_anew_each_time() -> None:
    key = rsa.private_key().public_key
    seen = {blind_rsa.blind(Variant.PSSZERO_DETERMINISTIC, key, b"same")[0] for _ in range(5)}
    assert len(seen) == 5


def test_factors_out_of_range_are_drawn_again() -> None:
    key = rsa.private_key().public_key
    last = (key.n - 1).to_bytes(256, "big")
    tape = Tape(bytes(48), bytes(256), key.n.to_bytes(256, "big"), b"\xff" * 256, last)
    _, inverse = blind_rsa.blind(Variant.PSS_DETERMINISTIC, key, b"", rng=tape)
    tape.finish()
    assert inverse == key.n - 1


def test_randomness_that_never_fits_is_given_up() -> None:
    with pytest.raises(BlindingFailed):
        blind_rsa.blind(Variant.PSS_DETERMINISTIC, rsa.private_key().public_key, b"", rng=bytes)


def test_a_factor_that_has_no_inverse_is_drawn_again() -> None:
    private = rsa.private_key()
    prime = private.numbers().p.to_bytes(256, "big")
    tape = Tape(bytes(48), prime, (1).to_bytes(256, "big"))
    assert blind_rsa.blind(Variant.PSS_DETERMINISTIC, private.public_key, b"", rng=tape)[1] == 1


@pytest.fixture(scope="module")
def signed() -> tuple[bytes, bytes, bytes, int]:
    private = rsa.private_key()
    prepared = b"x" * 40
    blinded, inverse = blind_rsa.blind(Variant.PSS_DETERMINISTIC, private.public_key, prepared)
    answer = blind_rsa.blind_sign(best_signer(private), blinded)
    return (
        prepared,
        answer,
        blind_rsa.finalize(Variant.PSS_DETERMINISTIC, private.public_key, prepared, answer, inverse),
        inverse,
    )


@pytest.mark.parametrize("wrong", [Variant.PSSZERO_DETERMINISTIC, Variant.PSSZERO_RANDOMIZED])
def test_the_salt_length_is_exact(signed: tuple[bytes, bytes, bytes, int], wrong: Variant) -> None:
    prepared, _, signature, _ = signed
    with pytest.raises(InvalidSignature):
        blind_rsa.verify(wrong, rsa.private_key().public_key, prepared, signature)


def test_another_key_message_or_length_does_not_verify(signed: tuple[bytes, bytes, bytes, int]) -> None:
    prepared, _, signature, _ = signed
    key, variant = rsa.private_key().public_key, Variant.PSS_DETERMINISTIC
    for case in (
        (rsa.private_key(1).public_key, prepared, signature),
        (key, prepared + b"x", signature),
        (key, prepared, signature[1:]),
        (key, prepared, b"\0" + signature),
        (key, prepared, b""),
        (key, prepared, bytes(256)),
        (key, prepared, b"\xff" * 256),
    ):
        with pytest.raises(InvalidSignature):
            blind_rsa.verify(variant, *case)


def test_a_randomized_message_has_a_prefix(signed: tuple[bytes, bytes, bytes, int]) -> None:
    with pytest.raises(InvalidSignature):
        blind_rsa.verify(Variant.PSS_RANDOMIZED, rsa.private_key().public_key, b"x" * 31, signed[2])


def test_a_signer_that_cheats_is_found_out(signed: tuple[bytes, bytes, bytes, int]) -> None:
    prepared, answer, _, inverse = signed
    key = rsa.private_key().public_key
    for wrong in (answer[:-1], answer + b"\0", answer[:-1] + bytes((answer[-1] ^ 1,)), bytes(256)):
        with pytest.raises(InvalidSignature):
            blind_rsa.finalize(Variant.PSS_DETERMINISTIC, key, prepared, wrong, inverse)


def test_blind_sign_refuses_what_is_out_of_range() -> None:
    with pytest.raises(OutOfRange):
        blind_rsa.blind_sign(best_signer(rsa.private_key()), bytes(256))


def test_an_encoding_needs_room() -> None:
    with pytest.raises(ValueError, match="too small"):
        emsa_pss.encode(b"", 8 * 97, bytes(48))
