"""Generic batches: other implementations' vectors, minimal lengths, presence bytes, bounds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import vectors
from support.tape import Tape
from support.voprf import proof_scalar

from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.errors import TacitaError
from tacita.privacypass.batch import (
    GenericBatchTokenRequest,
    GenericBatchTokenResponse,
    GenericTokenResponse,
)
from tacita.privacypass.errors import BatchMalformed, BatchTooLarge
from tacita.privacypass.types import blind_rsa, voprf_p384, voprf_ristretto255

SHARED = {
    "pat-go-batched-batched-issuance-test-vectors.json": ("type", "skS", "pkS"),
    "raphael-generic_rs.json": ("token_type", "sk_s", "pk_s"),
}


@pytest.mark.parametrize("name", SHARED)
def test_other_implementations(name: str) -> None:
    kind, secret, public = SHARED[name]
    for vector in vectors.shared(f"privacypass/{name}"):
        count = len(vector["issuance"])
        requests = GenericBatchTokenRequest.decode(bytes.fromhex(vector["token_request"]), limit=count)
        responses = GenericBatchTokenResponse.decode(bytes.fromhex(vector["token_response"]), limit=count)
        assert requests.encode().hex() == vector["token_request"]
        assert responses.encode().hex() == vector["token_response"]
        for one, request, response in zip(
            vector["issuance"], requests.token_requests, responses.token_responses, strict=True
        ):
            assert request[:2].hex() == one[kind]
            assert response is not None
            assert response.token_type == int(one[kind], 16)
            _replay(one, bytes.fromhex(one[secret]), bytes.fromhex(one[public]), request, response)


MODULES: dict[int, Any] = {
    module.TOKEN_TYPE: module for module in (voprf_p384, blind_rsa, voprf_ristretto255)
}


def _replay(
    vector: dict[str, Any], secret: bytes, public: bytes, request: bytes, response: GenericTokenResponse
) -> None:
    module = MODULES[response.token_type]
    drawn = ("nonce", "salt", "blind") if module is blind_rsa else ("nonce", "blind")
    tape = Tape(*(bytes.fromhex(vector[name]) for name in drawn))
    challenge = bytes.fromhex(vector["token_challenge"])
    made, pending = module.request(challenge, module.load_public_key(public), rng=tape)
    tape.finish()
    assert made.encode() == request
    answer = module.TokenResponse.decode(response.token_response)
    if module is blind_rsa:
        again = blind_rsa.issue([made], best_signer(RsaPrivateKey.from_pem(secret)))
    else:
        private = module.load_private_key(secret)
        again = module.issue([made], private, rng=Tape(proof_scalar(private, answer.evaluate_proof)))
    assert [one.encode() for one in again] == [response.token_response]
    assert module.finalize(pending, answer).encode().hex() == vector["token"]


ONE = b"\0\2\7" + b"m" * 256
ANSWER = GenericTokenResponse(2, b"s" * 256)


def test_the_layout() -> None:
    assert GenericBatchTokenRequest((ONE,)).encode() == b"\x41\x03" + ONE
    answers = GenericBatchTokenResponse((ANSWER, None))
    assert answers.encode() == b"\x41\x04" + b"\1\0\2" + b"s" * 256 + b"\0"
    assert GenericBatchTokenRequest(()).encode() == b"\0"


def test_lengths_are_minimal() -> None:
    body = GenericBatchTokenRequest((ONE,)).encode()
    longer = (len(ONE) | 0x8000_0000).to_bytes(4, "big") + ONE
    with pytest.raises(BatchMalformed):
        GenericBatchTokenRequest.decode(longer, limit=1)
    assert GenericBatchTokenRequest.decode(body, limit=1).token_requests == (ONE,)


def test_more_than_the_limit() -> None:
    requests = GenericBatchTokenRequest((ONE, ONE)).encode()
    answers = GenericBatchTokenResponse((None, None)).encode()
    GenericBatchTokenRequest.decode(requests, limit=2)
    GenericBatchTokenResponse.decode(answers, limit=2)
    with pytest.raises(BatchTooLarge) as caught:
        GenericBatchTokenRequest.decode(requests, limit=1)
    assert caught.value.status == 422
    with pytest.raises(BatchTooLarge):
        GenericBatchTokenResponse.decode(answers, limit=1)


def test_presence_is_0_or_1() -> None:
    with pytest.raises(BatchMalformed):
        GenericBatchTokenResponse.decode(b"\1\2", limit=1)


def test_unknown_types_make_a_batch_unreadable() -> None:
    with pytest.raises(BatchMalformed):
        GenericBatchTokenRequest.decode(b"\x03\x02\xaa\0", limit=1)
    with pytest.raises(BatchMalformed):
        GenericBatchTokenResponse.decode(b"\x03\1\x02\xaa", limit=1)


@pytest.mark.parametrize("cut", [0, 1, 2, 100, -1])
def test_truncated(cut: int) -> None:
    for decode, body in (
        (GenericBatchTokenRequest.decode, GenericBatchTokenRequest((ONE,)).encode()),
        (GenericBatchTokenResponse.decode, GenericBatchTokenResponse((ANSWER,)).encode()),
    ):
        with pytest.raises(BatchMalformed):
            decode(body[:cut], limit=9)
        with pytest.raises(BatchMalformed):
            decode(body + b"\0", limit=9)


def test_elements_have_the_length_of_their_type() -> None:
    for wrong in (b"", b"\0", ONE[:-1], ONE + b"\0"):
        with pytest.raises(BatchMalformed):
            GenericBatchTokenRequest((wrong,))
    with pytest.raises(BatchMalformed):
        GenericTokenResponse(2, bytes(255))


def sized(prefix: bytes, length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length).map(lambda tail: prefix + tail)


REQUESTS = st.lists(sized(b"\0\1", 50) | sized(b"\0\2", 257) | sized(b"\0\5", 33), max_size=4)
ANSWERS = st.lists(
    st.none()
    | sized(b"", 256).map(lambda body: GenericTokenResponse(2, body))
    | sized(b"", 145).map(lambda body: GenericTokenResponse(1, body)),
    max_size=4,
)


@given(REQUESTS)
def test_requests_round_trip(requests: list[bytes]) -> None:
    batch = GenericBatchTokenRequest(tuple(requests))
    assert GenericBatchTokenRequest.decode(batch.encode(), limit=4) == batch


@given(ANSWERS)
def test_responses_round_trip(answers: list[GenericTokenResponse | None]) -> None:
    batch = GenericBatchTokenResponse(tuple(answers))
    assert GenericBatchTokenResponse.decode(batch.encode(), limit=4) == batch


@given(st.binary(max_size=80) | st.binary(max_size=63).map(lambda data: bytes((len(data),)) + data))
def test_one_encoding_each_or_an_error(data: bytes) -> None:
    for kind in (GenericBatchTokenRequest, GenericBatchTokenResponse):
        try:
            batch = kind.decode(data, limit=10)
        except TacitaError:
            continue
        assert batch.encode() == data
