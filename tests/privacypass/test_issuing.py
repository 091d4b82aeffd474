"""The pure core of the issuer: what is refused before anything is charged, and what comes back."""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import partially_blind, rsa, vectors
from support.clocks import Clock

from tacita.crypto.rsa_keys import RsaPrivateKey, RsaPublicKey
from tacita.crypto.signer import SignerUnreachable, SigningFailed, best_signer
from tacita.errors import TacitaError
from tacita.privacypass import amortized, batch, issuing
from tacita.privacypass.amortized import AmortizedBatchTokenResponse
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import (
    BatchMalformed,
    BatchTooLarge,
    ExtensionsRefused,
    KeysCollide,
    NothingIssued,
    RequestMalformed,
    UnknownTokenKey,
    UnsupportedMediaType,
)
from tacita.privacypass.extensions import ExpirationPolicy, ExpirationTimestamp, Extension, Extensions
from tacita.privacypass.issuing import IssuingKey, IssuingKeys, TokenRequests
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa, partially_blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.blind_rsa import Pending, TokenResponse
from tacita.privacypass.types.voprf import PrivateKey

CHALLENGE = TokenChallenge(2, "issuer.example", origin_info=("origin.example",))
SINGLE, BATCH = issuing.REQUEST_MEDIA_TYPE, batch.REQUEST_MEDIA_TYPE
AMORTIZED = amortized.REQUEST_MEDIA_TYPE
MODULES: dict[int, Any] = {
    module.TOKEN_TYPE: module for module in (voprf_p384, blind_rsa, voprf_ristretto255)
}
ON_VOPRF = pytest.mark.parametrize("module", [voprf_p384, voprf_ristretto255], ids=["p384", "ristretto255"])


@cache
def numbers() -> tuple[int, int, int]:
    """Three keys whose truncated ids differ (by chance almost always the first three)."""
    found: dict[int, int] = {}
    number = 0
    while len(found) < 3:
        found.setdefault(rsa.private_key(number).public_key.key_id[-1], number)
        number += 1
    first, second, third = found.values()
    return first, second, third


def key(place: int, *, may_issue: bool = True) -> IssuingKey:
    return IssuingKey(best_signer(rsa.private_key(numbers()[place])), 0, may_issue)


@pytest.fixture
def keys() -> IssuingKeys:
    return IssuingKeys([key(0), key(1, may_issue=False)])


def ask(place: int = 0) -> tuple[bytes, Pending]:
    request, pending = blind_rsa.request(CHALLENGE.encode(), rsa.private_key(numbers()[place]).public_key)
    return request.encode(), pending


def test_one_token(keys: IssuingKeys) -> None:
    body, pending = ask()
    requests = issuing.parse(SINGLE, body, keys, max_batch=1)
    assert requests.count == 1
    answer = issuing.issue(requests, keys)
    assert (answer.status, answer.media_type) == (200, "application/private-token-response")
    token = blind_rsa.finalize(pending, TokenResponse.decode(answer.body))
    blind_rsa.verify(token, rsa.private_key(numbers()[0]).public_key, CHALLENGE.digest())


def test_a_batch(keys: IssuingKeys) -> None:
    asked = [ask() for _ in range(3)]
    body = GenericBatchTokenRequest(tuple(one for one, _ in asked)).encode()
    requests = issuing.parse(BATCH, body, keys, max_batch=3)
    assert requests.count == 3
    answer = issuing.issue(requests, keys)
    assert (answer.status, answer.media_type) == (200, batch.RESPONSE_MEDIA_TYPE)
    answers = GenericBatchTokenResponse.decode(answer.body, limit=3).token_responses
    for (_, pending), one in zip(asked, answers, strict=True):
        assert one is not None
        blind_rsa.finalize(pending, TokenResponse.decode(one.token_response))


def test_a_batch_over_two_keys_comes_back_in_order() -> None:
    keys = IssuingKeys([key(0), key(1)])
    asked = [ask(place) for place in (1, 0, 1, 0)]
    body = GenericBatchTokenRequest(tuple(one for one, _ in asked)).encode()
    answer = issuing.issue(issuing.parse(BATCH, body, keys, max_batch=4), keys)
    answers = GenericBatchTokenResponse.decode(answer.body, limit=4).token_responses
    for (_, pending), one in zip(asked, answers, strict=True):
        assert one is not None
        blind_rsa.finalize(pending, TokenResponse.decode(one.token_response))


def test_part_of_a_batch(keys: IssuingKeys) -> None:
    good, pending = ask()
    wrong = (
        ask(1)[0],  # a key that only redeems
        ask(2)[0],  # a key that nobody knows
        good[:3] + b"\xff" * 256,  # out of range
        b"\0\1" + bytes(50),  # a type that this issuer does not have
    )
    body = GenericBatchTokenRequest((wrong[0], good, *wrong[1:])).encode()
    requests = issuing.parse(BATCH, body, keys, max_batch=5)
    assert requests.count == 1
    answer = issuing.issue(requests, keys)
    assert answer.status == 206
    answers = GenericBatchTokenResponse.decode(answer.body, limit=5).token_responses
    assert [one is not None for one in answers] == [False, True, False, False, False]
    assert answers[1] is not None
    blind_rsa.finalize(pending, TokenResponse.decode(answers[1].token_response))


@pytest.mark.parametrize("places", [(), (1,), (1, 2)])
def test_nothing_of_a_batch(keys: IssuingKeys, places: tuple[int, ...]) -> None:
    body = GenericBatchTokenRequest(tuple(ask(place)[0] for place in places)).encode()
    with pytest.raises(NothingIssued) as caught:
        issuing.parse(BATCH, body, keys, max_batch=9)
    assert caught.value.status == 400


def test_media_types(keys: IssuingKeys) -> None:
    body, _ = ask()
    assert issuing.parse("Application/Private-Token-Request; x=y", body, keys, max_batch=1).count == 1
    for wrong in ("", "text/plain", SINGLE + "x", batch.RESPONSE_MEDIA_TYPE, issuing.RESPONSE_MEDIA_TYPE):
        with pytest.raises(UnsupportedMediaType) as caught:
            issuing.parse(wrong, body, keys, max_batch=1)
        assert caught.value.status == 415


@pytest.mark.parametrize("place", [1, 2])
def test_keys_that_do_not_issue(keys: IssuingKeys, place: int) -> None:
    with pytest.raises(UnknownTokenKey) as caught:
        issuing.parse(SINGLE, ask(place)[0], keys, max_batch=1)
    assert caught.value.status == 422


def test_malformed_requests(keys: IssuingKeys) -> None:
    good, _ = ask()
    for wrong in (
        b"",
        good[:-1],
        good + b"\0",
        b"\0\1" + good[2:],
        good[:3] + bytes(256),
        good[:3] + b"\xff" * 256,
    ):
        with pytest.raises(RequestMalformed) as caught:
            issuing.parse(SINGLE, wrong, keys, max_batch=1)
        assert caught.value.status == 422


def test_malformed_and_large_batches(keys: IssuingKeys) -> None:
    good, _ = ask()
    with pytest.raises(BatchTooLarge):
        issuing.parse(BATCH, GenericBatchTokenRequest((good,) * 3).encode(), keys, max_batch=2)
    with pytest.raises(BatchMalformed) as caught:
        issuing.parse(BATCH, b"\x03\x02\xaa\0", keys, max_batch=2)
    assert caught.value.status == 422
    for wrong in (b"", b"\x41", GenericBatchTokenRequest((good,)).encode()[:-1]):
        with pytest.raises(TacitaError) as broken:
            issuing.parse(BATCH, wrong, keys, max_batch=2)
        assert broken.value.status == 422


def test_a_key_that_stops_in_between(keys: IssuingKeys) -> None:
    body, _ = ask()
    later = IssuingKeys([key(0, may_issue=False)])
    with pytest.raises(UnknownTokenKey):
        issuing.issue(issuing.parse(SINGLE, body, keys, max_batch=1), later)
    several = issuing.parse(BATCH, GenericBatchTokenRequest((body,)).encode(), keys, max_batch=1)
    with pytest.raises(NothingIssued):
        issuing.issue(several, later)


def test_a_damaged_key_issues_nothing() -> None:
    private = rsa.private_key(numbers()[0])
    bad = IssuingKeys([IssuingKey(best_signer(rsa.damaged(private, dmp1=2, d=2)), 0, True)])
    body = GenericBatchTokenRequest((ask()[0], ask()[0])).encode()
    with pytest.raises(SigningFailed):
        issuing.issue(issuing.parse(BATCH, body, bad, max_batch=2), bad)


def test_truncated_ids_are_unique() -> None:
    with pytest.raises(KeysCollide):
        IssuingKeys([key(0), key(0, may_issue=False)])
    both = IssuingKeys([key(1), key(0)])
    assert len(both) == 2
    assert [one.key_id for one in both] == [key(1).key_id, key(0).key_id]
    assert next(iter(both)).public_key == rsa.private_key(numbers()[1]).public_key.spki


class World:
    """An issuer with one key of each type, and what it takes to ask it and to check the answers."""

    def __init__(self) -> None:
        self.private = rsa.private_key(numbers()[0])
        taken = {self.private.public_key.key_id[-1]}
        self.keys: dict[int, Any] = {0x0002: best_signer(self.private)}
        for module in (voprf_p384, voprf_ristretto255):
            while (made := module.PrivateKey.generate()).public_key.key_id[-1] in taken:
                continue
            taken.add(made.public_key.key_id[-1])
            self.keys[module.TOKEN_TYPE] = made

    def issuing(self, *, without: int | None = None) -> IssuingKeys:
        return IssuingKeys(IssuingKey(one, 0, kind != without) for kind, one in self.keys.items())

    def ask(self, token_type: int) -> tuple[bytes, Any]:
        challenge = TokenChallenge(token_type, "issuer.example").encode()
        request, pending = MODULES[token_type].request(challenge, self.keys[token_type].public_key)
        return request.encode(), pending

    def take(self, token_type: int, pending: Any, answer: bytes) -> Token:
        module = MODULES[token_type]
        token: Token = module.finalize(pending, module.TokenResponse.decode(answer))
        key = self.keys[token_type]
        digest = TokenChallenge(token_type, "issuer.example").digest()
        verifier = key if isinstance(key, PrivateKey) else key.public_key
        return module.verify(token, verifier, digest)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_what_is_published_of_a_key(world: World) -> None:
    for one in world.issuing():
        key = world.keys[one.token_type]
        assert one.key_id == key.public_key.key_id == hashlib.sha256(one.public_key).digest()
        assert MODULES[one.token_type].load_public_key(one.public_key) == key.public_key
        assert repr(key) not in repr(one)


@pytest.mark.parametrize("token_type", MODULES)
def test_one_token_of_each_type(world: World, token_type: int) -> None:
    body, pending = world.ask(token_type)
    keys = world.issuing()
    requests = issuing.parse(SINGLE, body, keys, max_batch=1)
    assert (requests.count, requests.batched) == (1, False)
    answer = issuing.issue(requests, keys)
    assert (answer.status, answer.media_type) == (200, issuing.RESPONSE_MEDIA_TYPE)
    world.take(token_type, pending, answer.body)


def test_a_batch_over_all_types(world: World) -> None:
    kinds = [2, 1, 5, 5, 2, 1]
    asked = [world.ask(kind) for kind in kinds]
    body = GenericBatchTokenRequest(tuple(one for one, _ in asked)).encode()
    keys = world.issuing()
    requests = issuing.parse(BATCH, body, keys, max_batch=6)
    assert (requests.count, requests.batched) == (6, True)
    answer = issuing.issue(requests, keys)
    assert answer.status == 200
    answers = GenericBatchTokenResponse.decode(answer.body, limit=6).token_responses
    for kind, (_, pending), one in zip(kinds, asked, answers, strict=True):
        assert one is not None
        assert one.token_type == kind
        world.take(kind, pending, one.token_response)


def test_part_of_a_batch_over_all_types(world: World) -> None:
    kinds = [2, 1, 5]
    asked = [world.ask(kind) for kind in kinds]
    for refused in kinds:
        keys = world.issuing(without=refused)
        body = GenericBatchTokenRequest(tuple(one for one, _ in asked)).encode()
        answer = issuing.issue(issuing.parse(BATCH, body, keys, max_batch=3), keys)
        assert answer.status == 206
        answers = GenericBatchTokenResponse.decode(answer.body, limit=3).token_responses
        assert [one is None for one in answers] == [kind == refused for kind in kinds]


@ON_VOPRF
def test_elements_that_are_none_are_not_granted(world: World, module: Any) -> None:
    good, _ = world.ask(module.TOKEN_TYPE)
    keys, length = world.issuing(), len(good) - 3
    bad = [good[:3] + wrong for wrong in (bytes(length), b"\xff" * length)]
    for one in (*bad, good[:3] + b"\0", good[:-1], good + b"\0"):
        with pytest.raises(RequestMalformed) as caught:
            issuing.parse(SINGLE, one, keys, max_batch=1)
        assert caught.value.status == 422
    body = GenericBatchTokenRequest((bad[0], good, bad[1])).encode()
    requests = issuing.parse(BATCH, body, keys, max_batch=3)
    assert requests.count == 1
    assert issuing.issue(requests, keys).status == 206


def test_a_key_serves_its_own_type_only(world: World) -> None:
    """A request of one type that names the key of another: the byte alone is not enough."""
    keys = world.issuing()
    for kind in MODULES:
        for other in set(MODULES) - {kind}:
            body, _ = world.ask(kind)
            named = body[:2] + world.keys[other].public_key.key_id[-1:] + body[3:]
            with pytest.raises(UnknownTokenKey):
                issuing.parse(SINGLE, named, keys, max_batch=1)


@ON_VOPRF
class TestAmortized:
    def ask(self, world: World, module: Any, count: int) -> tuple[bytes, list[Any]]:
        challenge = TokenChallenge(module.TOKEN_TYPE, "issuer.example").encode()
        request, pending = amortized.request(challenge, world.keys[module.TOKEN_TYPE].public_key, count)
        return request.encode(), pending

    def test_all_of_it(self, world: World, module: Any) -> None:
        body, pending = self.ask(world, module, 5)
        keys = world.issuing()
        requests = issuing.parse(AMORTIZED, body, keys, max_batch=5)
        assert (requests.count, requests.batched) == (5, True)
        assert [one.key_id for one in requests.wanted if one] == [
            world.keys[module.TOKEN_TYPE].public_key.key_id
        ]
        answer = issuing.issue(requests, keys)
        assert (answer.status, answer.media_type) == (200, amortized.RESPONSE_MEDIA_TYPE)
        response = AmortizedBatchTokenResponse.decode(answer.body, token_type=module.TOKEN_TYPE, limit=5)
        digest = TokenChallenge(module.TOKEN_TYPE, "issuer.example").digest()
        for token in amortized.finalize(pending, response):
            module.verify(token, world.keys[module.TOKEN_TYPE], digest)

    def test_too_many(self, world: World, module: Any) -> None:
        with pytest.raises(BatchTooLarge) as caught:
            issuing.parse(AMORTIZED, self.ask(world, module, 3)[0], world.issuing(), max_batch=2)
        assert caught.value.status == 422

    def test_none(self, world: World, module: Any) -> None:
        body = self.ask(world, module, 1)[0][:3] + b"\0"
        with pytest.raises(BatchMalformed) as caught:
            issuing.parse(AMORTIZED, body, world.issuing(), max_batch=2)
        assert caught.value.status == 422

    def test_keys_that_do_not_issue(self, world: World, module: Any) -> None:
        body, _ = self.ask(world, module, 2)
        resting = world.issuing(without=module.TOKEN_TYPE)
        stranger = body[:2] + bytes((body[2] ^ 1,)) + body[3:]
        for text, keys in ((body, resting), (stranger, IssuingKeys([]))):
            with pytest.raises(UnknownTokenKey) as caught:
                issuing.parse(AMORTIZED, text, keys, max_batch=2)
            assert caught.value.status == 422
        with pytest.raises(UnknownTokenKey):
            issuing.issue(issuing.parse(AMORTIZED, body, world.issuing(), max_batch=2), resting)

    def test_one_bad_element(self, world: World, module: Any) -> None:
        body, _ = self.ask(world, module, 2)
        wrong = b"\xff" * module.PublicKey.suite.group.element_length
        with pytest.raises(BatchMalformed) as caught:
            issuing.parse(AMORTIZED, body[: -len(wrong)] + wrong, world.issuing(), max_batch=2)
        assert caught.value.status == 422

    def test_a_body_of_another_media_type(self, world: World, module: Any) -> None:
        several, single = self.ask(world, module, 2)[0], world.ask(module.TOKEN_TYPE)[0]
        generic = GenericBatchTokenRequest((single,)).encode()
        keys = world.issuing()
        for media_type, body in (
            (AMORTIZED, single),
            (AMORTIZED, generic),
            (SINGLE, several),
            (SINGLE, generic),
            (BATCH, several),
            (BATCH, single),
        ):
            with pytest.raises(TacitaError) as caught:
                issuing.parse(media_type, body, keys, max_batch=2)
            assert caught.value.status == 422


@pytest.mark.parametrize(
    ("name", "kind_field", "secret_field", "expected_kinds"),
    [
        ("pat-go-batched-batched-issuance-test-vectors.json", "type", "skS", {1, 2}),
        ("raphael-generic_rs.json", "token_type", "sk_s", {1, 2, 5}),
    ],
)
def test_batches_of_other_implementations(
    name: str, kind_field: str, secret_field: str, expected_kinds: set[int]
) -> None:
    """Types and keys mixed, through the issuing core."""
    kinds = set()
    for vector in vectors.shared(f"privacypass/{name}"):
        keys: dict[bytes, IssuingKey] = {}
        for one in vector["issuance"]:
            kind, secret = int(one[kind_field], 16), bytes.fromhex(one[secret_field])
            if kind == blind_rsa.TOKEN_TYPE:
                made = IssuingKey(best_signer(RsaPrivateKey.from_pem(secret)), 0, True)
            else:
                made = IssuingKey(MODULES[kind].load_private_key(secret), 0, True)
            keys[made.key_id] = made
            kinds.add(kind)
        live, count = IssuingKeys(keys.values()), len(vector["issuance"])
        body = bytes.fromhex(vector["token_request"])
        answer = issuing.issue(issuing.parse(BATCH, body, live, max_batch=count), live)
        assert answer.status == 200
        answers = GenericBatchTokenResponse.decode(answer.body, limit=count).token_responses
        expected = GenericBatchTokenResponse.decode(bytes.fromhex(vector["token_response"]), limit=count)
        for ours, theirs in zip(answers, expected.token_responses, strict=True):
            assert ours is not None
            assert theirs is not None
            assert ours.token_type == theirs.token_type
            # Of an answer on VOPRF the proof behind the element is drawn anew.
            element = {0x0001: 49, 0x0002: 256, 0x0005: 32}[ours.token_type]
            assert ours.token_response[:element] == theirs.token_response[:element]
    assert kinds == expected_kinds


class TestExpiring:
    """Type 0xDA7A: what may be asked for, and that it comes alone."""

    NOW = 1_700_000_123.0
    POLICY = ExpirationPolicy(precision=3600, lifetime=86_400)
    CHALLENGE = TokenChallenge(0xDA7A, "issuer.example")

    @pytest.fixture
    def keys(self) -> IssuingKeys:
        return IssuingKeys([IssuingKey(partially_blind.signer(), 0, may_issue=True)])

    def ask(self, extensions: Extensions) -> tuple[bytes, partially_blind_rsa.Pending]:
        key = partially_blind.signer().public_key
        request, pending = partially_blind_rsa.request(self.CHALLENGE.encode(), key, extensions)
        return request.encode(), pending

    def parse(self, body: bytes, keys: IssuingKeys, *, media_type: str = SINGLE) -> TokenRequests:
        return issuing.parse(
            media_type, body, keys, max_batch=3, expiration=self.POLICY, clock=Clock(self.NOW)
        )

    def test_what_is_published_of_its_key(self, keys: IssuingKeys) -> None:
        (one,) = keys
        key = partially_blind.signer().public_key
        assert (one.token_type, one.public_key, one.key_id) == (0xDA7A, key.spki, key.key_id)

    def test_one_token(self, keys: IssuingKeys) -> None:
        extensions = self.POLICY.choose(self.NOW)
        body, pending = self.ask(extensions)
        requests = self.parse(body, keys)
        assert (requests.count, requests.batched) == (1, False)
        answer = issuing.issue(requests, keys)
        assert (answer.status, answer.media_type) == (200, issuing.RESPONSE_MEDIA_TYPE)
        response = partially_blind_rsa.TokenResponse.decode(answer.body)
        token = partially_blind_rsa.finalize(pending, response)
        key = partially_blind.signer().public_key
        partially_blind_rsa.verify(token, key, self.CHALLENGE.digest(), extensions)

    @pytest.mark.parametrize(
        "extensions",
        [
            Extensions(),
            Extensions((Extension(7, b"me"),)),
            Extensions((*POLICY.choose(NOW).extensions, Extension(7, b"me"))),
            POLICY.choose(NOW + 7200),
            POLICY.choose(NOW - 90_000),
            ExpirationPolicy(60, 86_400).choose(NOW),
            Extensions((Extension(1, b"not an expiry"),)),
            Extensions((ExpirationTimestamp(1, 1 << 63).extension(),)),
        ],
    )
    def test_extensions_that_are_not_signed(self, keys: IssuingKeys, extensions: Extensions) -> None:
        with pytest.raises(ExtensionsRefused) as caught:
            self.parse(self.ask(extensions)[0], keys)
        assert caught.value.status == 400

    def test_nothing_without_a_policy(self, keys: IssuingKeys) -> None:
        body, _ = self.ask(self.POLICY.choose(self.NOW))
        with pytest.raises(ExtensionsRefused):
            issuing.parse(SINGLE, body, keys, max_batch=1)

    def test_malformed(self, keys: IssuingKeys) -> None:
        body, _ = self.ask(self.POLICY.choose(self.NOW))
        for wrong in (body[:259], body[:-1], body + b"\0", body[:3] + bytes(256) + body[259:]):
            with pytest.raises(RequestMalformed) as caught:
                self.parse(wrong, keys)
            assert caught.value.status == 422

    def test_the_key_of_another_type(self, keys: IssuingKeys) -> None:
        body, _ = self.ask(self.POLICY.choose(self.NOW))
        with pytest.raises(UnknownTokenKey):
            self.parse(b"\0\2" + body[2:259], keys)
        with pytest.raises(UnknownTokenKey):
            self.parse(body, IssuingKeys([key(0)]))

    def test_never_in_a_batch(self, keys: IssuingKeys) -> None:
        body, _ = self.ask(self.POLICY.choose(self.NOW))
        whole = (0x4000 | len(body)).to_bytes(2, "big") + body
        for media_type in (BATCH, AMORTIZED):
            with pytest.raises(BatchMalformed) as caught:
                self.parse(whole, keys, media_type=media_type)
            assert caught.value.status == 422


class Recorder:
    """A signer that keeps what it was asked for, and fails at `poison` or altogether."""

    def __init__(self, *, poison: bytes = b"", gone: bool = False) -> None:
        self._signer = best_signer(rsa.private_key(numbers()[0]))
        self.calls: list[int] = []
        self.poison = poison
        self.gone = gone

    @property
    def public_key(self) -> RsaPublicKey:
        return self._signer.public_key

    @property
    def modulus_size(self) -> int:
        return self._signer.modulus_size

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        self.calls.append(len(blinded))
        if self.gone:
            raise SignerUnreachable("It is gone.")
        if self.poison in blinded:
            raise SigningFailed("It came out wrong.")
        return self._signer.sign(blinded)


class TestTogether:
    """Several bodies in one call of the signer."""

    def parsed(self, keys: IssuingKeys) -> tuple[list[TokenRequests], list[list[Pending]], bytes]:
        """Return a batch of two, one alone, and a batch of three, and the message of the one alone."""
        bodies: list[TokenRequests] = []
        pending: list[list[Pending]] = []
        for count in (2, 1, 3):
            asked = [ask() for _ in range(count)]
            body = asked[0][0]
            if count > 1:
                body = GenericBatchTokenRequest(tuple(one for one, _ in asked)).encode()
            bodies.append(issuing.parse(BATCH if count > 1 else SINGLE, body, keys, max_batch=3))
            pending.append([each for _, each in asked])
            if count == 1:
                alone = body[3:]
        return bodies, pending, alone

    def check(self, outcome: issuing.TokenResponses | TacitaError, pending: list[Pending]) -> None:
        assert isinstance(outcome, issuing.TokenResponses)
        if outcome.media_type == issuing.RESPONSE_MEDIA_TYPE:
            found = [outcome.body]
        else:
            answers = GenericBatchTokenResponse.decode(outcome.body, limit=3).token_responses
            found = [one.token_response for one in answers if one is not None]
        for each, one in zip(pending, found, strict=True):
            blind_rsa.finalize(each, TokenResponse.decode(one))

    def test_one_call_and_everybody_has_their_own(self) -> None:
        signer = Recorder()
        keys = IssuingKeys([IssuingKey(signer, 0, True)])
        bodies, pending, _ = self.parsed(keys)
        outcomes = issuing.issue_all(bodies, keys)
        assert signer.calls == [6]
        for outcome, mine in zip(outcomes, pending, strict=True):
            self.check(outcome, mine)

    def test_a_failure_is_of_those_whose_signature_fails(self) -> None:
        signer = Recorder()
        keys = IssuingKeys([IssuingKey(signer, 0, True)])
        bodies, pending, signer.poison = self.parsed(keys)
        outcomes = issuing.issue_all(bodies, keys)
        assert signer.calls == [6, 2, 1, 3]
        assert isinstance(outcomes[1], SigningFailed)
        self.check(outcomes[0], pending[0])
        self.check(outcomes[2], pending[2])

    def test_a_device_that_is_gone_is_asked_once(self) -> None:
        signer = Recorder(gone=True)
        keys = IssuingKeys([IssuingKey(signer, 0, True)])
        outcomes = issuing.issue_all(self.parsed(keys)[0], keys)
        assert signer.calls == [6]
        assert [type(outcome) for outcome in outcomes] == [SignerUnreachable] * 3

    def test_none(self) -> None:
        assert issuing.issue_all([], IssuingKeys([key(0)])) == []

    def test_amortized_bodies_beside_others(self, world: World) -> None:
        keys = world.issuing()
        challenge = TokenChallenge(5, "issuer.example").encode()
        request, pending = amortized.request(challenge, world.keys[5].public_key, 4)
        several = [
            issuing.parse(AMORTIZED, request.encode(), keys, max_batch=4),
            issuing.parse(SINGLE, (single := world.ask(5))[0], keys, max_batch=1),
        ]
        first, second = issuing.issue_all(several, keys)
        assert isinstance(first, issuing.TokenResponses)
        assert isinstance(second, issuing.TokenResponses)
        response = AmortizedBatchTokenResponse.decode(first.body, token_type=5, limit=4)
        assert len(amortized.finalize(pending, response)) == 4
        world.take(5, single[1], second.body)


@given(
    media_type=st.sampled_from([SINGLE, BATCH, AMORTIZED]),
    body=st.binary(max_size=300) | st.binary(max_size=60).map(lambda end: _expiring_head() + end),
)
def test_garbage_is_an_error_of_the_tree(media_type: str, body: bytes) -> None:
    keys = IssuingKeys([key(0), *_expiring()])
    with pytest.raises(TacitaError):
        issuing.parse(media_type, body, keys, max_batch=3, expiration=TestExpiring.POLICY)


@cache
def _expiring() -> tuple[IssuingKey, ...]:
    """The key of type 0xDA7A, where its truncated id is free."""
    one = IssuingKey(partially_blind.signer(), 0, may_issue=True)
    return () if one.truncated_key_id == key(0).truncated_key_id else (one,)


@cache
def _expiring_head() -> bytes:
    """A request of type 0xDA7A up to its extensions."""
    return b"\xda\x7a" + partially_blind.signer().public_key.key_id[-1:] + bytes(255) + b"\1"
