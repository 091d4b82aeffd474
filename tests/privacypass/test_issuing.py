"""The pure core of the issuer: what is refused before anything is charged, and what comes back."""

import hashlib
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import rsa, vectors

from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import SigningFailed, best_signer
from tacita.errors import TacitaError
from tacita.privacypass import amortized, batch, issuing
from tacita.privacypass.amortized import AmortizedBatchTokenResponse
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import (
    BatchMalformed,
    BatchTooLarge,
    KeysCollide,
    NothingIssued,
    RequestMalformed,
    UnknownTokenKey,
    UnsupportedMediaType,
)
from tacita.privacypass.issuing import IssuingKey, IssuingKeys
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa, voprf_p384, voprf_ristretto255
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


@given(media_type=st.sampled_from([SINGLE, BATCH, AMORTIZED]), body=st.binary(max_size=300))
def test_garbage_is_an_error_of_the_tree(media_type: str, body: bytes) -> None:
    with pytest.raises(TacitaError):
        issuing.parse(media_type, body, IssuingKeys([key(0)]), max_batch=3)
