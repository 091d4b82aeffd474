"""Amortized batches: pat-go's vectors byte for byte, bounds, and one wrong answer among many."""

import hashlib
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors
from support.tape import Tape
from support.voprf import proof_scalar

from tacita.errors import TacitaError
from tacita.privacypass import amortized
from tacita.privacypass.amortized import AmortizedBatchTokenRequest, AmortizedBatchTokenResponse
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import BatchMalformed, BatchTooLarge, IssuerMisbehaved, RequestMalformed
from tacita.privacypass.types import voprf_p384, voprf_ristretto255

MODULES: tuple[Any, ...] = (voprf_p384, voprf_ristretto255)
EACH = pytest.mark.parametrize("module", MODULES, ids=["p384", "ristretto255"])


@pytest.mark.parametrize(("module", "number"), [(voprf_p384, 1), (voprf_ristretto255, 5)])
def test_pat_go(module: ModuleType, number: int) -> None:
    for vector in vectors.shared(f"privacypass/pat-go-amortized-type{number}-issuance-test-vectors.json"):
        replay(module, vector)


def replay(module: Any, vector: dict[str, Any]) -> None:
    private = module.load_private_key(bytes.fromhex(vector["skS"]))
    key = module.load_public_key(bytes.fromhex(vector["pkS"]))
    assert private.public_key == key
    count, challenge = len(vector["nonces"]), bytes.fromhex(vector["token_challenge"])
    pairs = zip(vector["nonces"], vector["blinds"], strict=True)
    tape = Tape(*(bytes.fromhex(value) for pair in pairs for value in pair))
    request, pending = amortized.request(challenge, key, count, rng=tape)
    tape.finish()
    assert request.encode().hex() == vector["token_request"]
    received = AmortizedBatchTokenRequest.decode(request.encode(), limit=count)
    assert received == request
    expected = AmortizedBatchTokenResponse.decode(
        bytes.fromhex(vector["token_response"]), token_type=module.TOKEN_TYPE, limit=count
    )
    tape = Tape(proof_scalar(private, expected.evaluated_proof))
    response = amortized.issue(received, private, rng=tape)
    tape.finish()
    assert response.encode().hex() == vector["token_response"]
    tokens = amortized.finalize(pending, expected)
    assert [token.encode().hex() for token in tokens] == vector["tokens"]
    for token in tokens:
        module.verify(token, private, hashlib.sha256(challenge).digest())


class Exchange:
    """Some tokens, asked for and answered."""

    def __init__(self, module: Any, count: int = 3) -> None:
        self.private = module.PrivateKey.generate()
        self.challenge = TokenChallenge(module.TOKEN_TYPE, "issuer.example")
        self.request, self.pending = amortized.request(
            self.challenge.encode(), self.private.public_key, count
        )
        self.response = amortized.issue(self.request, self.private)


@EACH
@pytest.mark.parametrize("count", [1, 2, 5])
def test_tokens_verify_like_single_ones(module: Any, count: int) -> None:
    exchange = Exchange(module, count)
    tokens = amortized.finalize(exchange.pending, exchange.response)
    assert len({token.nonce for token in tokens}) == count
    for token in tokens:
        module.verify(token, exchange.private, exchange.challenge.digest())


@EACH
class TestIssuerThatCheats:
    def finalize(self, exchange: Exchange, messages: tuple[bytes, ...], proof: bytes | None = None) -> None:
        response = AmortizedBatchTokenResponse(messages, proof or exchange.response.evaluated_proof)
        with pytest.raises(IssuerMisbehaved):
            amortized.finalize(exchange.pending, response)

    def test_one_answer_under_another_key(self, module: Any) -> None:
        exchange, other = Exchange(module), Exchange(module)
        good = exchange.response.evaluated_msgs
        group = module.PublicKey.suite.group
        marked = group.multiply(other.private.key.scalar, exchange.request.blinded_elements[1]).encoding
        self.finalize(exchange, (good[0], marked, good[2]))

    def test_answers_swapped_left_out_or_doubled(self, module: Any) -> None:
        exchange = Exchange(module)
        one, two, three = exchange.response.evaluated_msgs
        for messages in ((two, one, three), (one, two), (one, two, three, three), ()):
            self.finalize(exchange, messages)

    def test_the_proof_of_another_batch(self, module: Any) -> None:
        exchange = Exchange(module)
        self.finalize(exchange, exchange.response.evaluated_msgs, Exchange(module).response.evaluated_proof)

    def test_no_element(self, module: Any) -> None:
        exchange = Exchange(module)
        one, two, _ = exchange.response.evaluated_msgs
        for wrong in (bytes(len(one)), b"\0", b"\xff" * len(one)):
            self.finalize(exchange, (one, two, wrong))


@EACH
def test_a_batch_for_another_key_is_not_answered(module: Any) -> None:
    exchange = Exchange(module, 1)
    truncated = (exchange.request.truncated_token_key_id + 1) % 256
    wrong = AmortizedBatchTokenRequest(module.TOKEN_TYPE, truncated, exchange.request.blinded_elements)
    with pytest.raises(RequestMalformed):
        amortized.issue(wrong, exchange.private)


@EACH
class TestReading:
    def test_more_than_the_limit(self, module: Any) -> None:
        exchange = Exchange(module)
        body, answer = exchange.request.encode(), exchange.response.encode()
        AmortizedBatchTokenRequest.decode(body, limit=3)
        with pytest.raises(BatchTooLarge) as caught:
            AmortizedBatchTokenRequest.decode(body, limit=2)
        assert caught.value.status == 422
        with pytest.raises(BatchTooLarge):
            AmortizedBatchTokenResponse.decode(answer, token_type=module.TOKEN_TYPE, limit=2)

    def test_nothing_asked_for(self, module: Any) -> None:
        with pytest.raises(BatchMalformed) as caught:
            AmortizedBatchTokenRequest.decode(module.TOKEN_TYPE.to_bytes(2, "big") + b"\7\0", limit=2)
        assert caught.value.status == 422

    def test_one_bad_element_spoils_the_batch(self, module: Any) -> None:
        body = Exchange(module).request.encode()
        length = module.PublicKey.suite.group.element_length
        for wrong in (bytes(length), b"\xff" * length):
            with pytest.raises(BatchMalformed) as caught:
                AmortizedBatchTokenRequest.decode(body[:-length] + wrong, limit=3)
            assert caught.value.status == 422

    def test_lengths_are_minimal_and_whole(self, module: Any) -> None:
        body = Exchange(module).request.encode()
        head, content = body[:3], body[5:]
        assert int.from_bytes(body[3:5], "big") == 0x4000 | len(content)
        for wrong in (
            head + (0x8000_0000 | len(content)).to_bytes(4, "big") + content,
            head + (0x4000 | len(content) - 1).to_bytes(2, "big") + content[:-1],
            body + b"\0",
            *(body[:cut] for cut in (0, 2, 3, 4, 5, 60, -1)),
        ):
            with pytest.raises(BatchMalformed):
                AmortizedBatchTokenRequest.decode(wrong, limit=3)

    def test_truncated_and_longer_responses(self, module: Any) -> None:
        body = Exchange(module).response.encode()
        for wrong in (b"", body[:1], body[:50], body[:-1], body + b"\0"):
            with pytest.raises(BatchMalformed):
                AmortizedBatchTokenResponse.decode(wrong, token_type=module.TOKEN_TYPE, limit=3)


@pytest.mark.parametrize("token_type", [0x0000, 0x0002, 0xDA7A, 0xFFFF])
def test_types_that_have_no_amortized_batches(token_type: int) -> None:
    with pytest.raises(BatchMalformed) as caught:
        AmortizedBatchTokenRequest.decode(token_type.to_bytes(2, "big") + b"\7\0", limit=1)
    assert caught.value.status == 422
    with pytest.raises(BatchMalformed):
        AmortizedBatchTokenResponse.decode(b"\0" + bytes(96), token_type=token_type, limit=1)


@EACH
@given(data=st.data())
def test_one_encoding_each_or_an_error(module: Any, data: st.DataObject) -> None:
    head = module.TOKEN_TYPE.to_bytes(2, "big")
    body = data.draw(
        st.binary(max_size=200)
        | st.binary(max_size=60).map(lambda tail: head + tail)
        | st.binary(min_size=32, max_size=60).map(lambda tail: head + b"\7" + bytes((len(tail),)) + tail)
    )
    try:
        request = AmortizedBatchTokenRequest.decode(body, limit=3)
    except TacitaError:
        pass
    else:
        assert request.encode() == body
    try:
        response = AmortizedBatchTokenResponse.decode(body, token_type=module.TOKEN_TYPE, limit=3)
    except TacitaError:
        return
    assert response.encode() == body
