"""Token type 0xE5AC: credentials, their count, and tokens for one challenge each."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tape import Tape

from tacita.crypto.arc import LimitOutOfRange, LimitReached
from tacita.errors import TacitaError
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import (
    ChallengeMalformed,
    ForeignToken,
    IssuerMisbehaved,
    RequestMalformed,
    ResponseMalformed,
    TokenInvalid,
    TokenKeyMalformed,
    TokenMalformed,
)
from tacita.privacypass.types import arc, blind_rsa
from tacita.privacypass.types.arc import Credential, Presented, PrivateKey, Token
from tacita.privacypass.types.arc_challenge import CredentialChallenge

LIMIT = 3


def challenge(
    *, origin: str = "origin.example", redemption: bytes = b"", credential: bytes = b""
) -> CredentialChallenge:
    base = TokenChallenge(arc.TOKEN_TYPE, "issuer.example", redemption, (origin,))
    return CredentialChallenge(base, credential)


HERE = challenge()


def issued(key: PrivateKey, wanted: CredentialChallenge = HERE) -> Credential:
    request, pending = arc.request(wanted.encode(), key.public_key)
    (response,) = arc.issue([arc.TokenRequest.decode(request.encode())], key)
    return arc.finalize(pending, arc.TokenResponse.decode(response.encode()))


@pytest.fixture(name="key", scope="module")
def a_key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(name="credential")
def a_credential(key: PrivateKey) -> Credential:
    return issued(key)


def test_the_names_of_every_other_module_that_fit() -> None:
    assert set(blind_rsa.__all__) - set(arc.__all__) == {"AUTHENTICATOR_LENGTH"}
    assert arc.TOKEN_TYPE == 0xE5AC


class TestOneCredential:
    def test_makes_as_many_tokens_as_the_limit(self, key: PrivateKey, credential: Credential) -> None:
        tokens = [arc.present(credential, HERE, LIMIT) for _ in range(LIMIT)]
        shown = [arc.verify(Token.decode(token.encode()), key, HERE, LIMIT) for token in tokens]
        assert len({one.spent_id for one in shown}) == LIMIT
        assert all(len(one.spent_id) == 32 for one in shown)
        assert [one.token for one in shown] == tokens
        assert all(one.token_key_id == key.public_key.key_id for one in shown)
        assert {(token.token_type, token.token_key_id) for token in tokens} == {
            (arc.TOKEN_TYPE, key.public_key.key_id)
        }
        assert sorted(token.presentation_nonce for token in tokens) == [0, 1, 2]
        assert credential.remaining(HERE, LIMIT) == 0
        with pytest.raises(LimitReached):
            arc.present(credential, HERE, LIMIT)

    def test_starts_afresh_in_another_redemption_context(
        self, key: PrivateKey, credential: Credential
    ) -> None:
        epochs = [challenge(redemption=bytes((number,)) * 32) for number in range(3)]
        shown = [
            arc.verify(arc.present(credential, epoch, LIMIT), key, epoch, LIMIT)
            for epoch in epochs
            for _ in range(LIMIT)
        ]
        assert len({one.spent_id for one in shown}) == len(epochs) * LIMIT

    def test_restored_from_an_old_copy_is_found_out(self, key: PrivateKey, credential: Credential) -> None:
        """Two presentations with one nonce: the second has a spent tag, and nothing else in common."""
        old = Credential.decode(credential.encode())
        first = Credential.decode(credential.encode())
        first.state.take(HERE.presentation_context(key.public_key.key_id), LIMIT)
        going_on = Credential.decode(first.encode())
        ids = [
            {
                arc.verify(arc.present(each, HERE, LIMIT), key, HERE, LIMIT).spent_id
                for _ in range(each.remaining(HERE, LIMIT))
            }
            for each in (old, credential, going_on)
        ]
        assert ids[0] == ids[1]
        assert len(ids[0]) == LIMIT
        assert ids[2] < ids[0]
        assert len(ids[2]) == LIMIT - 1

    def test_is_for_its_issuer_origin_and_credential_context(
        self, key: PrivateKey, credential: Credential
    ) -> None:
        for other in (challenge(origin="other.example"), challenge(credential=bytes(32))):
            with pytest.raises(ForeignToken):
                arc.present(credential, other, LIMIT)
        window = challenge(credential=b"w" * 32)
        token = arc.present(issued(key, window), window, LIMIT)
        assert arc.verify(token, key, window, LIMIT).token is token

    @pytest.mark.parametrize("limit", [0, 1, 2**32])
    def test_has_no_proof_for_some_limits(self, key: PrivateKey, credential: Credential, limit: int) -> None:
        before = credential.encode()
        with pytest.raises(LimitOutOfRange):
            arc.present(credential, HERE, limit)
        assert credential.encode() == before
        with pytest.raises(LimitOutOfRange):
            arc.verify(arc.present(credential, HERE, LIMIT), key, HERE, limit)


class TestVerification:
    def test_needs_the_key_the_challenge_and_the_limit(self, key: PrivateKey, credential: Credential) -> None:
        token = arc.present(credential, HERE, LIMIT)
        with pytest.raises(ForeignToken):
            arc.verify(token, PrivateKey.generate(), HERE, LIMIT)
        for other in (
            challenge(origin="other.example"),
            challenge(redemption=bytes(32)),
            challenge(credential=bytes(32)),
        ):
            with pytest.raises(ForeignToken):
                arc.verify(token, key, other, LIMIT)
        for limit in (2, 4, 5):
            with pytest.raises(TokenInvalid) as caught:
                arc.verify(token, key, HERE, limit)
            assert caught.value.status == 401

    def test_a_relabelled_token_does_not_verify(self, key: PrivateKey, credential: Credential) -> None:
        """Key id and digest are not authenticated by themselves; the contexts in the proof are."""
        token = arc.present(credential, HERE, LIMIT)
        other = challenge(redemption=bytes(32))
        with pytest.raises(TokenInvalid):
            arc.verify(replace(token, challenge_digest=other.digest()), key, other, LIMIT)
        stranger = PrivateKey.generate()
        with pytest.raises(TokenInvalid):
            arc.verify(replace(token, issuer_key_id=stranger.public_key.key_id), stranger, HERE, LIMIT)

    def test_a_changed_presentation_is_invalid(self, key: PrivateKey, credential: Credential) -> None:
        token = arc.present(credential, HERE, LIMIT)
        for place in (0, 33, 66, 99, 132, 165, len(token.presentation) - 1):
            data = bytearray(token.presentation)
            data[place] ^= 1
            with pytest.raises(TokenInvalid):
                arc.verify(replace(token, presentation=bytes(data)), key, HERE, LIMIT)
        for place in range(0, 165, 33):
            data = bytearray(token.presentation)
            data[place : place + 33] = bytes(33)  # infinity, padded
            with pytest.raises(TokenInvalid):
                arc.verify(replace(token, presentation=bytes(data)), key, HERE, LIMIT)

    def test_the_nonce_of_a_token_proves_nothing(self, key: PrivateKey, credential: Credential) -> None:
        token = arc.present(credential, HERE, LIMIT)
        honest = arc.verify(token, key, HERE, LIMIT)
        lying = arc.verify(replace(token, presentation_nonce=2), key, HERE, LIMIT)
        assert lying.spent_id == honest.spent_id


class TestIssuer:
    def test_answers_several(self, key: PrivateKey) -> None:
        asked = [arc.request(HERE.encode(), key.public_key) for _ in range(3)]
        answers = arc.issue([request for request, _ in asked], key)
        for (_, pending), answer in zip(asked, answers, strict=True):
            token = arc.present(arc.finalize(pending, answer), HERE, LIMIT)
            assert isinstance(arc.verify(token, key, HERE, LIMIT), Presented)

    def test_refuses_requests_for_another_key(self, key: PrivateKey) -> None:
        request, _ = arc.request(HERE.encode(), key.public_key)
        assert arc.require_fit(request, key.public_key) is request
        wrong = replace(request, truncated_token_key_id=(request.truncated_token_key_id + 1) % 256)
        with pytest.raises(RequestMalformed):
            arc.issue([request, wrong], key)
        with pytest.raises(RequestMalformed):
            arc.require_fit(wrong, key.public_key)

    def test_refuses_requests_whose_proof_does_not_hold(self, key: PrivateKey) -> None:
        data = bytearray(arc.request(HERE.encode(), key.public_key)[0].encode())
        data[-1] ^= 1
        request = arc.TokenRequest.decode(bytes(data))
        with pytest.raises(RequestMalformed) as caught:
            arc.require_fit(request, key.public_key)
        assert caught.value.status == 422
        with pytest.raises(RequestMalformed):
            arc.issue([request], key)

    def test_does_not_read_what_is_no_request(self, key: PrivateKey) -> None:
        good = arc.request(HERE.encode(), key.public_key)[0].encode()
        assert len(good) == 229
        for wrong in (
            b"",
            good[:2],
            good[:-1],
            good + b"\0",
            b"\0\2" + good[2:],
            good[:3] + bytes(33) + good[36:],
            good[:3] + b"\4" + good[4:],
            good[:-32] + b"\xff" * 32,
        ):
            with pytest.raises(RequestMalformed):
                arc.TokenRequest.decode(wrong)

    def test_that_cheats_gives_no_credential(self, key: PrivateKey) -> None:
        """R2: an answer that marks the client, or any other wrong one, is dropped."""
        request, pending = arc.request(HERE.encode(), key.public_key)
        (good,) = arc.issue([request], key)
        other = PrivateKey.generate()
        (foreign,) = arc.issue([replace(request, truncated_token_key_id=other.public_key.key_id[-1])], other)
        (second,) = arc.issue([arc.request(HERE.encode(), key.public_key)[0]], key)
        changed = bytearray(good.encode())
        changed[-1] ^= 1
        for wrong in (foreign.encode(), second.encode(), bytes(changed), bytes(454), b"\xff" * 454):
            with pytest.raises(IssuerMisbehaved):
                arc.finalize(pending, arc.TokenResponse.decode(wrong))
        for wrong in (b"", good.encode()[:-1], good.encode() + b"\0"):
            with pytest.raises(ResponseMalformed):
                arc.TokenResponse.decode(wrong)


def test_randomness_comes_from_the_caller() -> None:
    pieces = [hashlib.sha256(bytes((number,))).digest() for number in range(100)]
    key = PrivateKey.generate(rng=Tape(*pieces[:4]))
    runs = []
    for _ in range(2):
        request, pending = arc.request(HERE.encode(), key.public_key, rng=Tape(*pieces[:7]))
        (response,) = arc.issue([request], key, rng=Tape(*pieces[:8]))
        token = arc.present(arc.finalize(pending, response), HERE, LIMIT, rng=Tape(*pieces))
        runs.append((request.encode(), response.encode(), token.encode()))
    assert runs[0] == runs[1]


def test_contexts_are_what_the_draft_concatenates(key: PrivateKey) -> None:
    key_id = key.public_key.key_id
    names = b"\0\x0eissuer.example" + b"\0\x0eorigin.example"
    wanted = challenge(redemption=b"r" * 32, credential=b"c" * 32)
    assert wanted.request_context(key_id) == names + b"\0\x20" + b"c" * 32 + key_id
    assert wanted.presentation_context(key_id) == names + b"\0\x20" + b"r" * 32 + key_id
    assert HERE.request_context(key_id) == names + b"\0\0" + key_id


def test_challenges() -> None:
    wanted = challenge(redemption=b"r" * 32, credential=b"c" * 32)
    assert wanted.encode() == wanted.base.encode() + b"\x20" + b"c" * 32
    assert HERE.encode() == HERE.base.encode() + b"\0"
    assert wanted.digest() == hashlib.sha256(wanted.encode()).digest()
    with pytest.raises(ChallengeMalformed):
        CredentialChallenge(HERE.base, b"c" * 31)
    with pytest.raises(ChallengeMalformed):
        CredentialChallenge(TokenChallenge(2, "issuer.example"))
    good = wanted.encode()
    for wrong in (b"", good[:-1], good + b"\0", wanted.base.encode(), b"\0\2" + good[2:]):
        with pytest.raises(TacitaError):
            CredentialChallenge.decode(wrong)
    with pytest.raises(TacitaError):
        arc.request(wanted.base.encode(), PrivateKey.generate().public_key)


def test_keys(key: PrivateKey) -> None:
    public = key.public_key
    assert len(public.encoding) == 99
    assert public.key_id == hashlib.sha256(public.encoding).digest()
    again = arc.load_private_key(key.to_bytes())
    assert again.public_key == public
    assert hash(again.public_key) == hash(public)
    assert arc.load_public_key(public.encoding) == public
    assert PrivateKey.generate().public_key != public
    for wrong in (b"", bytes(99), b"\xff" * 99, public.encoding[:-1], public.encoding + b"\0"):
        with pytest.raises(TokenKeyMalformed):
            arc.load_public_key(wrong)
    for wrong in (b"", bytes(128), b"\xff" * 128, key.to_bytes()[:-1], key.to_bytes() + b"\0"):
        with pytest.raises(TokenKeyMalformed):
            arc.load_private_key(wrong)


def test_tokens_have_the_length_of_their_limit(credential: Credential) -> None:
    for limit, length in ((2, 556), (4, 685), (100, 427 + 7 * 129)):
        assert len(arc.present(credential, challenge(redemption=bytes(32)), limit).encode()) == length


def test_secrets_do_not_print(key: PrivateKey, credential: Credential) -> None:
    request, pending = arc.request(HERE.encode(), key.public_key)
    (response,) = arc.issue([request], key)
    token = arc.present(credential, HERE, LIMIT)
    printed = repr((key, request, pending, response, credential, token, arc.verify(token, key, HERE, LIMIT)))
    for secret in (
        key.to_bytes(),
        request.request.proof,
        response.encode(),
        token.presentation,
        credential.credential.encode(),
        pending.request_context,
    ):
        assert secret.hex() not in printed
        assert repr(secret)[2:-1] not in printed


@given(data=st.data())
def test_requests_are_canonical(data: st.DataObject) -> None:
    tails = st.binary(min_size=227, max_size=227)
    body = data.draw(st.binary(max_size=230) | tails.map(lambda tail: b"\xe5\xac" + tail))
    try:
        request = arc.TokenRequest.decode(body)
    except RequestMalformed:
        return
    assert request.encode() == body


@given(st.binary(max_size=455) | st.binary(min_size=454, max_size=454))
def test_responses_are_canonical(body: bytes) -> None:
    try:
        response = arc.TokenResponse.decode(body)
    except ResponseMalformed:
        return
    assert response.encode() == body


@given(data=st.data())
def test_tokens_are_canonical_and_refused_without_a_proof(key: PrivateKey, data: st.DataObject) -> None:
    length = 424 + 129 * data.draw(st.integers(1, 4))
    tails = st.binary(min_size=length, max_size=length + 1)
    body = data.draw(st.binary(max_size=700) | tails.map(lambda tail: b"\xe5\xac" + tail))
    try:
        token = Token.decode(body)
    except TacitaError:
        return
    assert token.encode() == body
    with pytest.raises(TokenInvalid):
        arc.verify(token, key, HERE, LIMIT)
    named = replace(token, challenge_digest=HERE.digest(), issuer_key_id=key.public_key.key_id)
    with pytest.raises(TokenInvalid):
        arc.verify(named, key, HERE, LIMIT)


@pytest.mark.parametrize(
    ("nonce", "digest", "key_id", "presentation"),
    [
        (-1, 32, 32, 486),
        (2**32, 32, 32, 486),
        (0, 31, 32, 486),
        (0, 32, 33, 486),
        (0, 32, 32, 485),
        (0, 32, 32, 357),
        (0, 32, 32, 357 + 33 * 129),
    ],
)
def test_no_token_has_other_lengths(nonce: int, digest: int, key_id: int, presentation: int) -> None:
    with pytest.raises(TokenMalformed):
        Token(nonce, bytes(digest), bytes(key_id), bytes(presentation))


@given(st.binary(max_size=300))
def test_credentials_are_read_or_refused(body: bytes) -> None:
    try:
        credential = Credential.decode(body)
    except TacitaError:
        return
    assert credential.encode() == body


@given(st.binary(max_size=120))
def test_challenges_are_read_or_refused(body: bytes) -> None:
    try:
        wanted = CredentialChallenge.decode(b"\xe5\xac" + body)
    except TacitaError:
        return
    assert wanted.encode() == b"\xe5\xac" + body
