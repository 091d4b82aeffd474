"""The pure core of the issuer: what is refused before anything is charged, and what comes back."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import rsa

from tacita.crypto.signer import SigningFailed, best_signer
from tacita.errors import TacitaError
from tacita.privacypass import batch, issuing
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
from tacita.privacypass.types import blind_rsa
from tacita.privacypass.types.blind_rsa import Pending, TokenResponse

CHALLENGE = TokenChallenge(2, "issuer.example", origin_info=("origin.example",))
SINGLE, BATCH = issuing.REQUEST_MEDIA_TYPE, batch.REQUEST_MEDIA_TYPE


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


@given(media_type=st.sampled_from([SINGLE, BATCH]), body=st.binary(max_size=300))
def test_garbage_is_an_error_of_the_tree(media_type: str, body: bytes) -> None:
    with pytest.raises(TacitaError):
        issuing.parse(media_type, body, IssuingKeys([key(0)]), max_batch=3)
