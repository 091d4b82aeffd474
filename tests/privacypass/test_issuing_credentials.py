"""The pure core of the issuer, asked for credentials of type 0xE5AC."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import rsa

from tacita.crypto.signer import best_signer
from tacita.errors import TacitaError
from tacita.privacypass import batch, issuing
from tacita.privacypass.batch import GenericBatchTokenRequest
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import (
    BatchMalformed,
    KeysCollide,
    RequestMalformed,
    UnknownTokenKey,
    UnsupportedMediaType,
)
from tacita.privacypass.issuing import IssuingKey, IssuingKeys, TokenRequests
from tacita.privacypass.types import arc, blind_rsa
from tacita.privacypass.types.arc_challenge import CredentialChallenge

MEDIA_TYPE = "application/private-credential-request"
LIMIT = 10
CHALLENGE = CredentialChallenge(TokenChallenge(arc.TOKEN_TYPE, "issuer.example", b"", ("origin.example",)))
RSA = best_signer(rsa.private_key(0))


def another_key(*others: int) -> arc.PrivateKey:
    """Return a key whose truncated id is none of `others`, and not that of the RSA key."""
    while True:
        key = arc.PrivateKey.generate()
        if key.public_key.key_id[-1] not in {RSA.public_key.key_id[-1], *others}:
            return key


KEY = another_key()
NEXT = another_key(KEY.public_key.key_id[-1])
KEYS = IssuingKeys(
    [
        IssuingKey(NEXT, 9, may_issue=False),
        IssuingKey(KEY, 0, may_issue=True),
        IssuingKey(RSA, 0, may_issue=True),
    ]
)


def ask(key: arc.PrivateKey = KEY) -> tuple[bytes, arc.Pending]:
    request, pending = arc.request(CHALLENGE.encode(), key.public_key)
    return request.encode(), pending


def parse(body: bytes, media_type: str = MEDIA_TYPE, *, limit: int | None = LIMIT) -> TokenRequests:
    return issuing.parse(media_type, body, KEYS, max_batch=5, presentation_limit=limit)


def test_one_credential_counts_as_what_it_is_good_for() -> None:
    body, pending = ask()
    requests = parse(body, MEDIA_TYPE.upper() + "; q=1")
    assert (requests.count, requests.signatures, requests.batched) == (LIMIT, 1, False)
    answer = issuing.issue(requests, KEYS)
    assert (answer.status, answer.media_type) == (200, "application/private-credential-response")
    assert (len(body), len(answer.body)) == (229, 454)
    credential = arc.finalize(pending, arc.TokenResponse.decode(answer.body))
    shown = [
        arc.verify(arc.present(credential, CHALLENGE, LIMIT), KEY, CHALLENGE, LIMIT) for _ in range(LIMIT)
    ]
    assert len({one.spent_id for one in shown}) == LIMIT


def test_the_key_as_the_directory_has_it() -> None:
    (_, key, _) = KEYS
    assert key.token_type == 0xE5AC
    assert key.public_key == KEY.public_key.encoding
    assert key.key_id == KEY.public_key.key_id
    with pytest.raises(KeysCollide):
        IssuingKeys([key, key])


def test_the_same_body_again_gives_no_further_presentations() -> None:
    body, pending = ask()
    ids = []
    for _ in range(2):
        answer = issuing.issue(parse(body), KEYS)
        credential = arc.finalize(pending, arc.TokenResponse.decode(answer.body))
        tokens = [arc.present(credential, CHALLENGE, LIMIT) for _ in range(LIMIT)]
        ids.append({arc.verify(token, KEY, CHALLENGE, LIMIT).spent_id for token in tokens})
    assert ids[0] == ids[1]


def test_an_issuer_without_a_limit_gives_none() -> None:
    with pytest.raises(UnsupportedMediaType) as raised:
        parse(ask()[0], limit=None)
    assert raised.value.status == 415


def test_statuses_of_the_draft() -> None:
    """Section 7.2: 422 for another type, an unknown key, a wrong size, and what is no request."""
    good, _ = ask()
    request, _ = blind_rsa.request(CHALLENGE.encode(), RSA.public_key)
    for wrong in (
        b"",
        b"\xe5\xac",
        good[:-1],
        good + b"\0",
        b"\0\2" + good[2:],
        request.encode(),
        good[:3] + bytes(33) + good[36:],  # the identity, padded
        good[:-32] + b"\xff" * 32,
        good[:-1] + bytes((good[-1] ^ 1,)),  # the proof does not hold
    ):
        with pytest.raises(RequestMalformed) as raised:
            parse(wrong)
        assert raised.value.status == 422
    for key in (NEXT, another_key(KEY.public_key.key_id[-1], NEXT.public_key.key_id[-1])):
        with pytest.raises(UnknownTokenKey) as unknown:
            parse(ask(key)[0])
        assert unknown.value.status == 422
    of_rsa = good[:2] + bytes((RSA.public_key.key_id[-1],)) + good[3:]
    with pytest.raises(UnknownTokenKey):
        parse(of_rsa)


def test_under_another_media_type_it_is_a_type_that_nobody_knows() -> None:
    body, _ = ask()
    with pytest.raises(RequestMalformed):
        parse(body, issuing.REQUEST_MEDIA_TYPE)
    request, _ = blind_rsa.request(TokenChallenge(2, "issuer.example").encode(), RSA.public_key)
    assert parse(request.encode(), issuing.REQUEST_MEDIA_TYPE).count == 1


def test_it_does_not_come_in_batches() -> None:
    """A batch is read by the lengths of its types, of which this is none: a good request is lost with it."""
    request, _ = blind_rsa.request(TokenChallenge(2, "issuer.example").encode(), RSA.public_key)
    whole = bytearray(GenericBatchTokenRequest((request.encode(), request.encode())).encode())
    place = bytes(whole).rindex(request.encode())
    whole[place : place + 2] = b"\xe5\xac"
    with pytest.raises(BatchMalformed):
        parse(bytes(whole), batch.REQUEST_MEDIA_TYPE)


def test_several_bodies_are_answered_apart() -> None:
    other = IssuingKeys([IssuingKey(KEY, 0, may_issue=False)])
    bodies = [ask() for _ in range(2)]
    request, _ = blind_rsa.request(TokenChallenge(2, "issuer.example").encode(), RSA.public_key)
    wanted = [parse(body) for body, _ in bodies]
    wanted.insert(1, parse(request.encode(), issuing.REQUEST_MEDIA_TYPE))
    answers = issuing.issue_all(wanted, KEYS)
    for place, (_, pending) in zip((0, 2), bodies, strict=True):
        answer = answers[place]
        assert isinstance(answer, issuing.TokenResponses)
        arc.finalize(pending, arc.TokenResponse.decode(answer.body))
    with pytest.raises(UnknownTokenKey):
        issuing.issue(wanted[0], other)


@given(st.binary(max_size=230) | st.binary(min_size=226, max_size=226))
def test_anything_is_read_or_refused(data: bytes) -> None:
    body = b"\xe5\xac" + bytes((KEY.public_key.key_id[-1],)) + data
    with pytest.raises(TacitaError):
        parse(body)


def test_a_request_names_its_key_by_one_byte() -> None:
    body, _ = ask()
    request = arc.TokenRequest.decode(body)
    wrong = replace(request, truncated_token_key_id=NEXT.public_key.key_id[-1])
    with pytest.raises(UnknownTokenKey):
        parse(wrong.encode())
