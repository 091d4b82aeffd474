"""Token type 0x0002: RFC 9578's vectors and others', byte for byte, and an issuer that cheats (R2)."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import rsa, vectors
from support.tape import Tape

from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.errors import TacitaError
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import (
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
)
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa
from tacita.privacypass.types.blind_rsa import Pending, TokenRequest, TokenResponse

CHALLENGE = TokenChallenge(0x0002, "issuer.example", origin_info=("origin.example",))
KEY = rsa.private_key().public_key


def replay(vector: dict[str, Any], pem: bytes, public_key: bytes) -> None:
    private = RsaPrivateKey.from_pem(pem)
    key = blind_rsa.load_public_key(public_key)
    assert private.public_key == key
    challenge = bytes.fromhex(vector["token_challenge"])
    tape = Tape(*(bytes.fromhex(vector[name]) for name in ("nonce", "salt", "blind")))
    request, pending = blind_rsa.request(challenge, key, rng=tape)
    tape.finish()
    assert request.encode().hex() == vector["token_request"]
    (response,) = blind_rsa.issue([TokenRequest.decode(request.encode())], best_signer(private))
    assert response.encode().hex() == vector["token_response"]
    token = blind_rsa.finalize(pending, TokenResponse.decode(response.encode()))
    assert token.encode().hex() == vector["token"]
    assert blind_rsa.verify(Token.decode(token.encode()), key, hashlib.sha256(challenge).digest()) == token


@pytest.mark.parametrize("number", range(5))
def test_rfc_9578(number: int) -> None:
    document = vectors.own("rfc9578.json")
    vector = document["vectors"][number]
    replay(vector, document["private_key_pem"].encode(), bytes.fromhex(document["public_key"]))
    challenge = bytes.fromhex(vector["token_challenge"])
    assert TokenChallenge.decode(challenge).encode() == challenge


def test_pat_go() -> None:
    for vector in vectors.shared("privacypass/pat-go-type2-type2-issuance-test-vectors.json"):
        replay(vector, bytes.fromhex(vector["skS"]), bytes.fromhex(vector["pkS"]))


def test_raphaelrobert() -> None:
    # Its challenges name the issuer "Issuer Name", which is no server name: opaque here, as RFC 9578 has it.
    for vector in vectors.shared("privacypass/raphael-public_rs.json"):
        replay(vector, bytes.fromhex(vector["sk_s"]), bytes.fromhex(vector["pk_s"]))


def obtain() -> tuple[TokenRequest, Pending, TokenResponse]:
    request, pending = blind_rsa.request(CHALLENGE.encode(), KEY)
    (response,) = blind_rsa.issue([request], best_signer(rsa.private_key()))
    return request, pending, response


def test_a_token_verifies_for_its_challenge_and_key_only() -> None:
    _, pending, response = obtain()
    token = blind_rsa.finalize(pending, response)
    assert blind_rsa.verify(token, KEY, CHALLENGE.digest()) is token
    other = TokenChallenge(0x0002, "issuer.example", origin_info=("other.example",))
    with pytest.raises(ForeignToken):
        blind_rsa.verify(token, KEY, other.digest())
    with pytest.raises(ForeignToken):
        blind_rsa.verify(token, rsa.private_key(1).public_key, CHALLENGE.digest())
    with pytest.raises(ForeignToken):
        blind_rsa.verify(
            Token(5, token.nonce, token.challenge_digest, token.token_key_id, bytes(64)),
            KEY,
            CHALLENGE.digest(),
        )


@pytest.mark.parametrize("name", ["nonce", "authenticator"])
def test_a_changed_token_is_invalid(name: str) -> None:
    _, pending, response = obtain()
    token = blind_rsa.finalize(pending, response)
    fields = {field: getattr(token, field) for field in Token.__dataclass_fields__}
    fields[name] = bytes((fields[name][0] ^ 1,)) + fields[name][1:]
    with pytest.raises(TokenInvalid) as caught:
        blind_rsa.verify(Token(**fields), KEY, CHALLENGE.digest())
    assert caught.value.status == 401
    assert not isinstance(caught.value, ForeignToken)


class TestIssuerThatCheats:
    """R2: a signature that marks the client, or any other wrong one, never becomes a token."""

    def test_another_key(self) -> None:
        request, pending, _ = obtain()
        marked = best_signer(rsa.private_key(1)).sign([b"\0" + request.blinded_msg[1:]])[0]
        with pytest.raises(IssuerMisbehaved):
            blind_rsa.finalize(pending, TokenResponse(marked))

    def test_the_answer_to_another_request(self) -> None:
        _, pending, _ = obtain()
        _, _, other = obtain()
        with pytest.raises(IssuerMisbehaved):
            blind_rsa.finalize(pending, other)

    @pytest.mark.parametrize("answer", [bytes(256), b"\xff" * 256, (1).to_bytes(256, "big"), b"", bytes(257)])
    def test_no_signature_at_all(self, answer: bytes) -> None:
        _, pending, _ = obtain()
        with pytest.raises(IssuerMisbehaved):
            blind_rsa.finalize(pending, TokenResponse(answer))

    def test_the_challenge_unsigned(self) -> None:
        request, pending, _ = obtain()
        with pytest.raises(IssuerMisbehaved):
            blind_rsa.finalize(pending, TokenResponse(request.blinded_msg))


def test_requests_for_another_key_or_out_of_range_are_not_signed() -> None:
    signer = best_signer(rsa.private_key())
    request, _, _ = obtain()
    wrong = (request.truncated_token_key_id + 1) % 256
    for case in (
        TokenRequest(wrong, request.blinded_msg),
        TokenRequest(KEY.key_id[-1], bytes(256)),
        TokenRequest(KEY.key_id[-1], b"\xff" * 256),
    ):
        with pytest.raises(RequestMalformed):
            blind_rsa.issue([request, case], signer)


def test_keys_have_2048_bits() -> None:
    key = vectors.own("rfc9474.json")["key"]
    large = rsa.from_numbers(*(int(key[name], 16) for name in ("p", "q", "e", "d"))).public_key
    with pytest.raises(ForeignToken):
        blind_rsa.load_public_key(large.spki)
    with pytest.raises(ForeignToken):
        blind_rsa.request(CHALLENGE.encode(), large)


def test_secrets_do_not_print() -> None:
    _, pending, response = obtain()
    assert str(pending.inverse) not in repr(pending)
    assert repr(response) == "TokenResponse()"


@given(st.binary(max_size=300) | st.binary(min_size=257, max_size=257).map(lambda tail: b"\0\2" + tail))
def test_requests_are_canonical(data: bytes) -> None:
    try:
        request = TokenRequest.decode(data)
    except RequestMalformed:
        return
    assert request.encode() == data


@given(st.binary(max_size=300) | st.binary(min_size=256, max_size=256))
def test_responses_are_canonical(data: bytes) -> None:
    try:
        response = TokenResponse.decode(data)
    except ResponseMalformed:
        return
    assert response.encode() == data


@given(st.binary(max_size=400))
def test_keys_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(TacitaError):
        blind_rsa.load_public_key(data)
