"""RFC 9497's vectors of three suites, and everything that a proof must not let through."""

from dataclasses import replace
from typing import Any

import pytest
from support import vectors
from support.tape import Tape

from tacita.crypto import voprf
from tacita.crypto.groups.errors import ScalarMalformed
from tacita.crypto.voprf import (
    P256_SHA256,
    P384_SHA384,
    RISTRETTO255_SHA512,
    Blinded,
    InvalidProof,
    PrivateKey,
    PublicKey,
    Suite,
)

SUITES: dict[str, Suite[Any, Any]] = {
    suite.identifier: suite for suite in (P256_SHA256, P384_SHA384, RISTRETTO255_SHA512)
}
EACH = pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)


def unhex(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def replay(suite: Suite[Any, Any], private: "PrivateKey[Any, Any]", vector: dict[str, Any]) -> None:
    inputs, blinds = unhex(vector["inputs"]), unhex(vector["blinds"])
    blinded = [
        voprf.blind(suite, message, rng=Tape(blind)) for message, blind in zip(inputs, blinds, strict=True)
    ]
    assert [one.element.encoding.hex() for one in blinded] == vector["blinded_elements"]
    received = [suite.group.decode(data) for data in unhex(vector["blinded_elements"])]
    tape = Tape(bytes.fromhex(vector["proof_random_scalar"]))
    evaluated, proof = voprf.blind_evaluate(private, received, rng=tape)
    tape.finish()
    assert [one.encoding.hex() for one in evaluated] == vector["evaluated_elements"]
    assert proof.hex() == vector["proof"]
    answered = [suite.group.decode(data) for data in unhex(vector["evaluated_elements"])]
    outputs = voprf.finalize(private.public_key, blinded, answered, proof)
    assert [one.hex() for one in outputs] == vector["outputs"]
    assert [voprf.evaluate(private, message) for message in inputs] == outputs
    assert {len(one) for one in outputs} == {suite.output_length}


@pytest.mark.parametrize("number", range(3))
def test_rfc_9497(number: int) -> None:
    document = vectors.own("rfc9497.json")["suites"][number]
    suite = SUITES[document["identifier"]]
    private = PrivateKey.derive(suite, *unhex([document["seed"], document["key_info"]]))
    assert private.to_bytes().hex() == document["private_key"]
    assert private.public_key.to_bytes().hex() == document["public_key"]
    assert PrivateKey.from_bytes(suite, private.to_bytes()).public_key == private.public_key
    for vector in document["vectors"]:
        replay(suite, private, vector)


def test_the_vectors_of_the_draft() -> None:
    replayed = 0
    for document in vectors.shared("privacypass/rfc9497-oprf-all.json"):
        suite = SUITES.get(document["identifier"])
        if suite is None or document["mode"] not in (1, "1"):
            continue
        assert suite.domain("HashToGroup-").hex() == document["groupDST"]
        private = PrivateKey.derive(suite, *unhex([document["seed"], document["keyInfo"]]))
        assert private.to_bytes().hex() == document["skSm"]
        for vector in document["vectors"]:
            names = {
                "inputs": "Input",
                "blinds": "Blind",
                "blinded_elements": "BlindedElement",
                "evaluated_elements": "EvaluationElement",
                "outputs": "Output",
            }
            ours = {name: vector[theirs].split(",") for name, theirs in names.items()}
            proof = vector["Proof"]
            replay(suite, private, {**ours, "proof": proof["proof"], "proof_random_scalar": proof["r"]})
            replayed += 1
    assert replayed == 9


class Exchange:
    """Two messages, asked and answered."""

    def __init__(self, suite: Suite[Any, Any], count: int = 2) -> None:
        self.private = PrivateKey.generate(suite)
        self.blinded = [voprf.blind(suite, b"message %d" % number) for number in range(count)]
        sent = [one.element for one in self.blinded]
        self.evaluated, self.proof = voprf.blind_evaluate(self.private, sent)

    def finalize(self, **changes: Any) -> list[bytes]:
        values = {"key": self.private.public_key, "blinded": self.blinded, "evaluated": self.evaluated}
        return voprf.finalize(**{**values, "proof": self.proof, **changes})


@EACH
class TestProof:
    def test_it_holds(self, suite: Suite[Any, Any]) -> None:
        exchange = Exchange(suite)
        expected = [voprf.evaluate(exchange.private, one.message) for one in exchange.blinded]
        assert exchange.finalize() == expected

    def test_of_another_exchange(self, suite: Suite[Any, Any]) -> None:
        with pytest.raises(InvalidProof):
            Exchange(suite).finalize(proof=Exchange(suite).proof)

    def test_under_another_key(self, suite: Suite[Any, Any]) -> None:
        exchange, other = Exchange(suite), PrivateKey.generate(suite)
        with pytest.raises(InvalidProof):
            exchange.finalize(key=other.public_key)
        marked, proof = voprf.blind_evaluate(other, [one.element for one in exchange.blinded])
        with pytest.raises(InvalidProof):
            exchange.finalize(evaluated=marked, proof=proof)

    def test_one_element_under_another_key(self, suite: Suite[Any, Any]) -> None:
        exchange, other = Exchange(suite), PrivateKey.generate(suite)
        marked = suite.group.multiply(other.scalar, exchange.blinded[1].element)
        with pytest.raises(InvalidProof):
            exchange.finalize(evaluated=[exchange.evaluated[0], marked])

    def test_elements_swapped(self, suite: Suite[Any, Any]) -> None:
        exchange = Exchange(suite)
        with pytest.raises(InvalidProof):
            exchange.finalize(evaluated=exchange.evaluated[::-1])
        with pytest.raises(InvalidProof):
            exchange.finalize(blinded=exchange.blinded[::-1])

    def test_scalars_swapped(self, suite: Suite[Any, Any]) -> None:
        exchange, half = Exchange(suite), suite.group.scalar_length
        with pytest.raises(InvalidProof):
            exchange.finalize(proof=exchange.proof[half:] + exchange.proof[:half])

    def test_a_bit_flipped(self, suite: Suite[Any, Any]) -> None:
        exchange, half = Exchange(suite), suite.group.scalar_length
        for place in (half // 2, half + half // 2):
            changed = bytearray(exchange.proof)
            changed[place] ^= 1
            with pytest.raises(InvalidProof):
                exchange.finalize(proof=bytes(changed))

    def test_zeros(self, suite: Suite[Any, Any]) -> None:
        """All of it comes to the identity, which has no encoding to hash."""
        exchange, length = Exchange(suite), suite.group.scalar_length
        with pytest.raises(InvalidProof):
            exchange.finalize(proof=bytes(2 * length))
        with pytest.raises(InvalidProof):
            exchange.finalize(proof=bytes(length) + exchange.proof[length:])
        with pytest.raises(InvalidProof):
            exchange.finalize(proof=exchange.proof[:length] + bytes(length))

    def test_scalars_out_of_range_or_of_another_length(self, suite: Suite[Any, Any]) -> None:
        exchange = Exchange(suite)
        half = suite.group.scalar_length
        for proof in (
            b"\xff" * half + exchange.proof[half:],
            exchange.proof[:half] + b"\xff" * half,
            exchange.proof[:-1],
            exchange.proof + b"\0",
            b"",
        ):
            with pytest.raises(ScalarMalformed):
                exchange.finalize(proof=proof)

    def test_another_number_of_elements(self, suite: Suite[Any, Any]) -> None:
        exchange = Exchange(suite)
        with pytest.raises(InvalidProof):
            exchange.finalize(evaluated=exchange.evaluated[:1])
        with pytest.raises(InvalidProof):
            exchange.finalize(evaluated=[*exchange.evaluated, exchange.evaluated[0]])

    def test_a_proof_is_about_something(self, suite: Suite[Any, Any]) -> None:
        with pytest.raises(ValueError, match="1 to 65,535"):
            voprf.blind_evaluate(PrivateKey.generate(suite), [])

    def test_the_same_proof_never_comes_twice(self, suite: Suite[Any, Any]) -> None:
        exchange = Exchange(suite, 1)
        again, proof = voprf.blind_evaluate(exchange.private, [exchange.blinded[0].element])
        assert again == exchange.evaluated
        assert proof != exchange.proof


@EACH
def test_keys(suite: Suite[Any, Any]) -> None:
    private = PrivateKey.generate(suite)
    assert PublicKey.from_bytes(suite, private.public_key.to_bytes()) == private.public_key
    assert hash(PublicKey.from_bytes(suite, private.public_key.to_bytes())) == hash(private.public_key)
    assert PrivateKey.generate(suite).public_key != private.public_key
    length = suite.group.scalar_length
    for data in (bytes(length), b"\xff" * length, private.to_bytes()[:-1], private.to_bytes() + b"\0"):
        with pytest.raises(ScalarMalformed):
            PrivateKey.from_bytes(suite, data)


def test_suites_keep_their_outputs_apart() -> None:
    other = replace(P256_SHA256, identifier="another")
    scalar = P256_SHA256.group.hash_to_scalar(b"one key", b"for both")
    keys = [PrivateKey(suite, scalar) for suite in (P256_SHA256, other)]
    assert voprf.evaluate(keys[0], b"m") != voprf.evaluate(keys[1], b"m")
    assert keys[0].public_key != keys[1].public_key


@EACH
def test_secrets_do_not_print(suite: Suite[Any, Any]) -> None:
    private, blinded = PrivateKey.generate(suite), voprf.blind(suite, b"a message")
    assert private.to_bytes().hex() not in repr(private)
    assert repr(blinded) == "Blinded()"
    assert isinstance(blinded, Blinded)
