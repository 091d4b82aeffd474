"""What an issuer gets in a body: single requests and batches of every type, with real keys."""

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import shake_128
from itertools import count

from support import rsa
from support.fuzzing import canonical, pick, shared_values, total

from tacita.crypto.signer import best_signer
from tacita.privacypass import amortized, batch, issuing
from tacita.privacypass.amortized import AmortizedBatchTokenRequest, AmortizedBatchTokenResponse
from tacita.privacypass.batch import GenericBatchTokenRequest, GenericBatchTokenResponse
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.issuing import IssuingKey, IssuingKeys
from tacita.privacypass.types import arc, blind_rsa, voprf_p384, voprf_ristretto255
from tacita.privacypass.types.arc_challenge import CredentialChallenge

_MEDIA = (
    issuing.REQUEST_MEDIA_TYPE,
    batch.REQUEST_MEDIA_TYPE,
    amortized.REQUEST_MEDIA_TYPE,
    arc.REQUEST_MEDIA_TYPE,
)
_CHALLENGE = TokenChallenge(2, "issuer.example", b"", ("origin.example",)).encode()
_CHALLENGE_OF_ARC = TokenChallenge(arc.TOKEN_TYPE, "issuer.example", b"", ("origin.example",))
_LIMIT = 8


def _numbers(seed: bytes) -> Callable[[int], bytes]:
    """Return a source of bytes that are the same each time."""
    turns = count()
    return lambda size: shake_128(seed + next(turns).to_bytes(4)).digest(size)


@cache
def _keys() -> IssuingKeys:
    others = (
        voprf_p384.PrivateKey.from_bytes(bytes(47) + b"\1"),
        voprf_ristretto255.PrivateKey.from_bytes(b"\2" + bytes(31)),
        arc.PrivateKey.generate(rng=_numbers(b"a key that has all of its scalars different")),
    )
    assert len({one.public_key.key_id[-1] for one in others}) == len(others)
    taken = {one.public_key.key_id[-1] for one in others}
    signers = (best_signer(rsa.private_key(number)) for number in count())
    rsa_signer = next(one for one in signers if one.public_key.key_id[-1] not in taken)
    return IssuingKeys([IssuingKey(one, 0, may_issue=True) for one in (rsa_signer, *others)])


def _parse(data: bytes) -> None:
    for media_type in _MEDIA:
        found = total(
            lambda body, kind=media_type: issuing.parse(  # type: ignore[misc]
                kind, body, _keys(), max_batch=_LIMIT, presentation_limit=_LIMIT
            ),
            data,
        )
        if found is not None:
            assert 0 < found.count <= _LIMIT


def _generic(data: bytes) -> None:
    canonical(
        lambda body: GenericBatchTokenRequest.decode(body, limit=_LIMIT), lambda one: one.encode(), data
    )


def _generic_answer(data: bytes) -> None:
    canonical(
        lambda body: GenericBatchTokenResponse.decode(body, limit=_LIMIT), lambda one: one.encode(), data
    )


def _amortized(data: bytes) -> None:
    canonical(
        lambda body: AmortizedBatchTokenRequest.decode(body, limit=_LIMIT), lambda one: one.encode(), data
    )


def _amortized_answer(data: bytes) -> None:
    for kind in (voprf_p384.TOKEN_TYPE, voprf_ristretto255.TOKEN_TYPE):
        canonical(
            lambda body, kind=kind: AmortizedBatchTokenResponse.decode(body, token_type=kind, limit=_LIMIT),  # type: ignore[misc]
            lambda one: one.encode(),
            data,
        )


_CHOICES = (_parse, _generic, _generic_answer, _amortized, _amortized_answer)


def one(data: bytes) -> None:
    """Any body is read within the limits or refused by the tree, and batches have one encoding."""
    pick(data, _CHOICES)


def seeds() -> Iterator[bytes]:
    """Return inputs to begin with."""
    rsa_key, p384, ristretto, arc_key = (key.signer.public_key for key in _keys())
    blinded, _ = blind_rsa.request(_CHALLENGE, rsa_key)  # type: ignore[arg-type]
    nist, _ = voprf_p384.request(_CHALLENGE, p384)  # type: ignore[arg-type]
    many, _ = amortized.request(_CHALLENGE, ristretto, 2)  # type: ignore[arg-type]
    credential, _ = arc.request(CredentialChallenge(_CHALLENGE_OF_ARC).encode(), arc_key)  # type: ignore[arg-type]
    yield b"\0" + credential.encode()
    yield b"\0" + blinded.encode()
    yield b"\0" + nist.encode()
    for choice in (b"\0", b"\1"):
        yield choice + GenericBatchTokenRequest((blinded.encode(), nist.encode())).encode()
    for choice in (b"\0", b"\3"):
        yield choice + many.encode()
    yield b"\2" + bytes(80)
    yield b"\4" + bytes(200)
    for value in shared_values(
        "privacypass/pat-go-batched-batched-issuance-test-vectors.json",
        "privacypass/pat-go-amortized-type5-issuance-test-vectors.json",
    ):
        for choice in range(len(_CHOICES)):
            yield bytes((choice,)) + value
