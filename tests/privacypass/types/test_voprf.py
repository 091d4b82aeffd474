"""Token types 0x0001 and 0x0005: vectors byte for byte, and an issuer that cheats (R2)."""

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
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import (
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
    TokenKeyMalformed,
)
from tacita.privacypass.token import AUTHENTICATOR_LENGTHS, MESSAGE_LENGTHS, Token
from tacita.privacypass.types import blind_rsa, voprf_p384, voprf_ristretto255

MODULES: tuple[Any, ...] = (voprf_p384, voprf_ristretto255)
EACH = pytest.mark.parametrize("module", MODULES, ids=["p384", "ristretto255"])


def challenge(module: Any, origin: str = "origin.example") -> TokenChallenge:
    return TokenChallenge(module.TOKEN_TYPE, "issuer.example", origin_info=(origin,))


def replay(module: Any, vector: dict[str, Any], private_key: str, public_key: str) -> None:
    private = module.load_private_key(bytes.fromhex(private_key))
    key = module.load_public_key(bytes.fromhex(public_key))
    assert private.public_key == key
    text = bytes.fromhex(vector["token_challenge"])
    tape = Tape(*(bytes.fromhex(vector[name]) for name in ("nonce", "blind")))
    request, pending = module.request(text, key, rng=tape)
    tape.finish()
    assert request.encode().hex() == vector["token_request"]
    expected = module.TokenResponse.decode(bytes.fromhex(vector["token_response"]))
    tape = Tape(proof_scalar(private, expected.evaluate_proof))
    (response,) = module.issue([module.TokenRequest.decode(request.encode())], private, rng=tape)
    tape.finish()
    assert response.encode().hex() == vector["token_response"]
    token = module.finalize(pending, expected)
    assert token.encode().hex() == vector["token"]
    assert module.verify(Token.decode(token.encode()), private, hashlib.sha256(text).digest()) == token


@pytest.mark.parametrize("number", range(5))
def test_rfc_9578(number: int) -> None:
    vector = vectors.own("rfc9578.json")["voprf_p384"]["vectors"][number]
    replay(voprf_p384, vector, vector["private_key"], vector["public_key"])
    text = bytes.fromhex(vector["token_challenge"])
    assert TokenChallenge.decode(text).encode() == text


@pytest.mark.parametrize(("module", "number"), [(voprf_p384, 1), (voprf_ristretto255, 5)])
def test_pat_go(module: ModuleType, number: int) -> None:
    for vector in vectors.shared(f"privacypass/pat-go-private-type{number}-issuance-test-vectors.json"):
        replay(module, vector, vector["skS"], vector["pkS"])


@EACH
def test_a_module_has_the_names_of_every_other(module: Any) -> None:
    assert set(blind_rsa.__all__) <= set(module.__all__)
    assert AUTHENTICATOR_LENGTHS[module.TOKEN_TYPE] == module.AUTHENTICATOR_LENGTH
    suite = module.PublicKey.suite
    assert suite.output_length == module.AUTHENTICATOR_LENGTH
    element = suite.group.element_length
    assert MESSAGE_LENGTHS[module.TOKEN_TYPE] == (3 + element, element + suite.proof_length)


class Exchange:
    """One token, asked for and answered."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.private = module.PrivateKey.generate()
        self.request, self.pending = module.request(challenge(module).encode(), self.private.public_key)
        (self.response,) = module.issue([self.request], self.private)

    def token(self) -> Token:
        return self.module.finalize(self.pending, self.response)  # type: ignore[no-any-return]


@EACH
class TestVerification:
    def test_a_token_verifies_for_its_challenge_and_key_only(self, module: Any) -> None:
        exchange = Exchange(module)
        token, private = exchange.token(), exchange.private
        assert module.verify(token, private, challenge(module).digest()) is token
        with pytest.raises(ForeignToken):
            module.verify(token, private, challenge(module, "other.example").digest())
        with pytest.raises(ForeignToken):
            module.verify(token, module.PrivateKey.generate(), challenge(module).digest())
        foreign = Token(2, token.nonce, token.challenge_digest, token.token_key_id, bytes(256))
        with pytest.raises(ForeignToken):
            module.verify(foreign, private, challenge(module).digest())

    @pytest.mark.parametrize("name", ["nonce", "authenticator"])
    def test_a_changed_token_is_invalid(self, module: Any, name: str) -> None:
        exchange = Exchange(module)
        token = exchange.token()
        fields = {field: getattr(token, field) for field in Token.__dataclass_fields__}
        fields[name] = bytes((fields[name][0] ^ 1,)) + fields[name][1:]
        with pytest.raises(TokenInvalid) as caught:
            module.verify(Token(**fields), exchange.private, challenge(module).digest())
        assert caught.value.status == 401
        assert not isinstance(caught.value, ForeignToken)


@EACH
class TestIssuerThatCheats:
    """R2: an answer that marks the client, or any other wrong one, never becomes a token."""

    def test_another_key(self, module: Any) -> None:
        exchange, other = Exchange(module), module.PrivateKey.generate()
        request = module.TokenRequest(other.public_key.key_id[-1], exchange.request.blinded_element)
        (exchange.response,) = module.issue([request], other)
        with pytest.raises(IssuerMisbehaved):
            exchange.token()

    def test_the_answer_to_another_request(self, module: Any) -> None:
        exchange = Exchange(module)
        request, _ = module.request(challenge(module).encode(), exchange.private.public_key)
        (exchange.response,) = module.issue([request], exchange.private)
        with pytest.raises(IssuerMisbehaved):
            exchange.token()

    def test_the_proof_of_another_answer(self, module: Any) -> None:
        exchange, other = Exchange(module), Exchange(module)
        exchange.response = module.TokenResponse(
            exchange.response.evaluate_msg, other.response.evaluate_proof
        )
        with pytest.raises(IssuerMisbehaved):
            exchange.token()

    def test_no_element_and_no_scalars(self, module: Any) -> None:
        exchange = Exchange(module)
        good = exchange.response
        for message, proof in (
            (bytes(len(good.evaluate_msg)), good.evaluate_proof),
            (b"\0", good.evaluate_proof),
            (b"", b""),
            (b"\xff" * len(good.evaluate_msg), good.evaluate_proof),
            (good.evaluate_msg, b"\xff" * len(good.evaluate_proof)),
            (good.evaluate_msg, bytes(len(good.evaluate_proof))),
            (exchange.request.blinded_msg, good.evaluate_proof),
        ):
            exchange.response = module.TokenResponse(message, proof)
            with pytest.raises(IssuerMisbehaved):
                exchange.token()


@EACH
def test_requests_for_another_key_are_not_answered(module: Any) -> None:
    exchange = Exchange(module)
    wrong = module.TokenRequest(
        (exchange.request.truncated_token_key_id + 1) % 256, exchange.request.blinded_element
    )
    with pytest.raises(RequestMalformed):
        module.issue([exchange.request, wrong], exchange.private)


@EACH
def test_requests_without_an_element_are_not_read(module: Any) -> None:
    good = Exchange(module).request.encode()
    length = len(good) - 3
    for wrong in (
        b"",
        good[:2],
        good[:-1],
        good + b"\0",
        b"\0\2" + good[2:],
        good[:3] + bytes(length),
        good[:3] + b"\0",
        good[:3] + b"\xff" * length,
    ):
        with pytest.raises(RequestMalformed) as caught:
            module.TokenRequest.decode(wrong)
        assert caught.value.status == 422


def test_types_do_not_mix() -> None:
    requests = [Exchange(module).request.encode() for module in MODULES]
    for module, request in zip(MODULES, reversed(requests), strict=True):
        with pytest.raises(RequestMalformed):
            module.TokenRequest.decode(request)
    p384, ristretto255 = (Exchange(module) for module in MODULES)
    request: Any = voprf_ristretto255.TokenRequest(
        p384.private.public_key.key_id[-1], ristretto255.request.blinded_element
    )
    with pytest.raises(RequestMalformed):
        voprf_p384.issue([request], p384.private)
    with pytest.raises(ForeignToken):
        voprf_p384.verify(ristretto255.token(), p384.private, challenge(voprf_ristretto255).digest())


@EACH
def test_keys(module: Any) -> None:
    private = module.PrivateKey.generate()
    again = module.load_private_key(private.to_bytes())
    assert again.public_key == private.public_key
    assert hash(again.public_key) == hash(private.public_key)
    assert module.load_public_key(private.public_key.encoding).key_id == private.public_key.key_id
    assert private.public_key.key_id == hashlib.sha256(private.public_key.encoding).digest()
    assert module.PrivateKey.generate().public_key != private.public_key
    length = len(private.to_bytes())
    for wrong in (b"", bytes(length), b"\xff" * length, private.to_bytes() + b"\0"):
        with pytest.raises(TokenKeyMalformed):
            module.load_private_key(wrong)
    length = len(private.public_key.encoding)
    for wrong in (b"", b"\0", bytes(length), b"\xff" * length, private.public_key.encoding[:-1]):
        with pytest.raises(TokenKeyMalformed):
            module.load_public_key(wrong)


@EACH
def test_a_seed_gives_one_key(module: Any) -> None:
    seed = bytes(range(module.PublicKey.suite.group.scalar_length))
    first, second = module.PrivateKey.derive(seed), module.PrivateKey.generate(rng=Tape(seed))
    assert first.to_bytes() == second.to_bytes()
    assert first.to_bytes() != module.PrivateKey.derive(seed + b"\0").to_bytes()


@EACH
def test_secrets_do_not_print(module: Any) -> None:
    exchange = Exchange(module)
    printed = repr((exchange.private, exchange.pending, exchange.request, exchange.response))
    for secret in (
        exchange.private.to_bytes(),
        exchange.request.blinded_msg,
        exchange.response.evaluate_msg,
        exchange.pending.nonce,
    ):
        assert secret.hex() not in printed
        assert repr(secret) not in printed


@EACH
@given(data=st.data())
def test_requests_are_canonical(module: Any, data: st.DataObject) -> None:
    length = MESSAGE_LENGTHS[module.TOKEN_TYPE][0]
    head = module.TOKEN_TYPE.to_bytes(2, "big")
    tails = st.binary(min_size=length - 2, max_size=length - 2)
    body = data.draw(
        st.binary(max_size=length + 1)
        | tails.map(lambda tail: head + tail)
        | tails.map(lambda tail: head + tail[:1] + b"\2" + tail[2:])
    )
    try:
        request = module.TokenRequest.decode(body)
    except RequestMalformed:
        return
    assert request.encode() == body
    assert module.TokenRequest.decode(request.encode()) == request


@EACH
@given(data=st.data())
def test_responses_are_canonical(module: Any, data: st.DataObject) -> None:
    length = MESSAGE_LENGTHS[module.TOKEN_TYPE][1]
    body = data.draw(st.binary(max_size=length + 1) | st.binary(min_size=length, max_size=length))
    try:
        response = module.TokenResponse.decode(body)
    except ResponseMalformed:
        return
    assert response.encode() == body


@EACH
@given(data=st.data())
def test_keys_are_read_or_refused(module: Any, data: st.DataObject) -> None:
    for load in (module.load_public_key, module.load_private_key):
        try:
            load(data.draw(st.binary(min_size=30, max_size=50)))
        except TacitaError:
            continue
