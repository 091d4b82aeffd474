"""Token type 0xDA7A: privacypass-ts's vectors byte for byte, and an issuer or origin that cheats."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import partially_blind, rsa, vectors
from support.tape import Tape

from tacita.crypto.partially_blind_rsa import PartiallyBlindSigner
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.errors import TacitaError
from tacita.privacypass.auth import format_authorization, parse_extended_authorization
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import (
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
)
from tacita.privacypass.extensions import ExpirationPolicy, Extension, Extensions
from tacita.privacypass.token import Token, authenticator_input
from tacita.privacypass.types import partially_blind_rsa
from tacita.privacypass.types.partially_blind_rsa import Pending, TokenRequest, TokenResponse

CHALLENGE = TokenChallenge(0xDA7A, "issuer.example", origin_info=("origin.example",))
KEY = partially_blind.private_key().public_key
EXPIRY = ExpirationPolicy(3600, 86_400).choose(1_700_000_000)
OTHER = ExpirationPolicy(3600, 86_400).choose(1_700_003_600)


def test_privacypass_ts() -> None:
    for vector in vectors.shared("privacypass/pp-ts-pub_verif_with_metadata_v3.json"):
        replay(vector)


def replay(vector: dict[str, Any]) -> None:
    private = RsaPrivateKey.from_pem(bytes.fromhex(vector["skS"]))
    key = partially_blind_rsa.load_public_key(bytes.fromhex(vector["pkS"]))
    assert private.public_key == key
    challenge = bytes.fromhex(vector["token_challenge"])
    assert TokenChallenge.decode(challenge).encode() == challenge
    extensions = Extensions.decode(bytes.fromhex(vector["extensions"]))
    tape = Tape(*(bytes.fromhex(vector[name]) for name in ("nonce", "salt", "blind")))
    request, pending = partially_blind_rsa.request(challenge, key, extensions, rng=tape)
    tape.finish()
    assert request.encode().hex() == vector["token_request"]
    decoded = TokenRequest.decode(request.encode())
    (response,) = partially_blind_rsa.issue([decoded], PartiallyBlindSigner(private))
    assert response.encode().hex() == vector["token_response"]
    token = partially_blind_rsa.finalize(pending, TokenResponse.decode(response.encode()))
    assert token.encode().hex() == vector["token"]
    field = format_authorization(token, extensions)
    read, beside = parse_extended_authorization(field)
    assert beside == extensions
    digest = hashlib.sha256(challenge).digest()
    assert partially_blind_rsa.verify(read, key, digest, beside) == token


def test_privacypass_ts_authenticator_inputs() -> None:
    for vector in vectors.shared("privacypass/pp-ts-auth_scheme_token_with_extensions_v1.json"):
        origins = bytes.fromhex(vector["origin_info"]).decode()
        challenge = TokenChallenge(
            int(vector["token_type"], 16),
            bytes.fromhex(vector["issuer_name"]).decode(),
            bytes.fromhex(vector["redemption_context"]),
            tuple(origins.split(",")) if origins else (),
        )
        nonce, key_id = bytes.fromhex(vector["nonce"]), bytes.fromhex(vector["token_key_id"])
        expected = bytes.fromhex(vector["token_authenticator_input"])
        assert authenticator_input(0xDA7A, nonce, challenge.digest(), key_id) == expected
        token = Token.decode(expected + bytes(256))
        assert token.authenticator_input() == expected
        extensions = Extensions((Extension(0, b"\x01\x02\x03"),))
        assert parse_extended_authorization(format_authorization(token, extensions)) == (token, extensions)


def obtain(extensions: Extensions = EXPIRY) -> tuple[TokenRequest, Pending, TokenResponse]:
    request, pending = partially_blind_rsa.request(CHALLENGE.encode(), KEY, extensions)
    (response,) = partially_blind_rsa.issue([request], partially_blind.signer())
    return request, pending, response


def test_a_token_verifies_for_its_challenge_key_and_extensions_only() -> None:
    _, pending, response = obtain()
    token = partially_blind_rsa.finalize(pending, response)
    assert partially_blind_rsa.verify(token, KEY, CHALLENGE.digest(), EXPIRY) is token
    for extensions in (OTHER, Extensions(), Extensions((*EXPIRY.extensions, Extension(2, b"")))):
        with pytest.raises(TokenInvalid) as caught:
            partially_blind_rsa.verify(token, KEY, CHALLENGE.digest(), extensions)
        assert caught.value.status == 401
    other = TokenChallenge(0xDA7A, "issuer.example", origin_info=("other.example",))
    with pytest.raises(ForeignToken):
        partially_blind_rsa.verify(token, KEY, other.digest(), EXPIRY)
    with pytest.raises(ForeignToken):
        partially_blind_rsa.verify(token, rsa.private_key().public_key, CHALLENGE.digest(), EXPIRY)
    plain = Token(2, token.nonce, token.challenge_digest, token.token_key_id, token.authenticator)
    with pytest.raises(ForeignToken):
        partially_blind_rsa.verify(plain, KEY, CHALLENGE.digest(), EXPIRY)


@pytest.mark.parametrize("name", ["nonce", "authenticator"])
def test_a_changed_token_is_invalid(name: str) -> None:
    _, pending, response = obtain()
    token = partially_blind_rsa.finalize(pending, response)
    fields = {field: getattr(token, field) for field in Token.__dataclass_fields__}
    fields[name] = bytes((fields[name][0] ^ 1,)) + fields[name][1:]
    with pytest.raises(TokenInvalid):
        partially_blind_rsa.verify(Token(**fields), KEY, CHALLENGE.digest(), EXPIRY)


def test_a_batch_with_several_expiries_comes_back_in_order() -> None:
    drawn = [
        partially_blind_rsa.request(CHALLENGE.encode(), KEY, extensions)
        for extensions in (EXPIRY, OTHER, EXPIRY, Extensions(), OTHER)
    ]
    responses = partially_blind_rsa.issue([request for request, _ in drawn], partially_blind.signer())
    for (_, pending), response in zip(drawn, responses, strict=True):
        token = partially_blind_rsa.finalize(pending, response)
        partially_blind_rsa.verify(token, KEY, CHALLENGE.digest(), pending.extensions)
    assert partially_blind_rsa.issue([], partially_blind.signer()) == []


class TestIssuerThatCheats:
    def test_other_extensions_than_were_asked_for(self) -> None:
        request, pending, _ = obtain()
        marked = TokenRequest(request.truncated_token_key_id, request.blinded_msg, OTHER)
        (response,) = partially_blind_rsa.issue([marked], partially_blind.signer())
        with pytest.raises(IssuerMisbehaved):
            partially_blind_rsa.finalize(pending, response)

    def test_no_extensions_at_all(self) -> None:
        request, pending, _ = obtain()
        plain = best_signer(partially_blind.private_key()).sign([request.blinded_msg])[0]
        with pytest.raises(IssuerMisbehaved):
            partially_blind_rsa.finalize(pending, TokenResponse(plain))

    def test_the_answer_to_another_request(self) -> None:
        _, pending, _ = obtain()
        _, _, other = obtain()
        with pytest.raises(IssuerMisbehaved):
            partially_blind_rsa.finalize(pending, other)

    @pytest.mark.parametrize("answer", [bytes(256), b"\xff" * 256, (1).to_bytes(256, "big"), b"", bytes(257)])
    def test_no_signature_at_all(self, answer: bytes) -> None:
        _, pending, _ = obtain()
        with pytest.raises(IssuerMisbehaved):
            partially_blind_rsa.finalize(pending, TokenResponse(answer))


def test_requests_for_another_key_or_out_of_range_are_not_signed() -> None:
    request, _, _ = obtain()
    wrong = (request.truncated_token_key_id + 1) % 256
    for case in (
        TokenRequest(wrong, request.blinded_msg, EXPIRY),
        TokenRequest(KEY.key_id[-1], bytes(256), EXPIRY),
        TokenRequest(KEY.key_id[-1], b"\xff" * 256, EXPIRY),
    ):
        with pytest.raises(RequestMalformed):
            partially_blind_rsa.issue([request, case], partially_blind.signer())


def test_keys_have_2048_bits() -> None:
    key = vectors.own("rfc9474.json")["key"]
    large = rsa.from_numbers(*(int(key[name], 16) for name in ("p", "q", "e", "d"))).public_key
    with pytest.raises(ForeignToken):
        partially_blind_rsa.load_public_key(large.spki)
    with pytest.raises(ForeignToken):
        partially_blind_rsa.request(CHALLENGE.encode(), large, EXPIRY)


def test_secrets_do_not_print() -> None:
    _, pending, response = obtain()
    assert str(pending.inverse) not in repr(pending)
    assert repr(response) == "TokenResponse()"


HEAD = st.binary(min_size=257, max_size=257).map(lambda tail: b"\xda\x7a" + tail)
TAIL = st.binary(max_size=20) | st.sampled_from([EXPIRY.encode(), b"\0\0", b"\0\4\0\1\0\0"])


@given(st.binary(max_size=300) | st.builds(lambda head, tail: head + tail, HEAD, TAIL))
def test_requests_are_canonical(data: bytes) -> None:
    try:
        request = TokenRequest.decode(data)
    except RequestMalformed:
        return
    assert request.encode() == data


@given(key_id=st.integers(0, 255), blinded=st.binary(min_size=256, max_size=256), tag=st.binary(max_size=30))
def test_requests_round_trip(key_id: int, blinded: bytes, tag: bytes) -> None:
    request = TokenRequest(key_id, blinded, Extensions((Extension(7, tag),)))
    assert TokenRequest.decode(request.encode()) == request


def test_a_plain_request_is_none_of_this_type() -> None:
    request, _, _ = obtain()
    with pytest.raises(RequestMalformed):
        TokenRequest.decode(b"\0\2" + request.encode()[2:])
    with pytest.raises(RequestMalformed):
        TokenRequest.decode(request.encode()[:259])


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
        partially_blind_rsa.load_public_key(data)
