import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from support import rsa
from support.issuers import Asked, ask_batch, ask_one, charged, issuing_keys

from issuer.attesters import Account
from issuer.errors import OverQuota, SignerFailed
from issuer.issuance import Issuance
from issuer.keys import fixed
from issuer.quota import Quota
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.crypto.signer import best_signer
from tacita.errors import TacitaError
from tacita.privacypass.errors import BatchTooLarge, RequestMalformed, UnknownTokenKey, UnsupportedMediaType
from tacita.privacypass.issuing import IssuingKey, IssuingKeys

ALICE = Account("alice", 20)
KEYS = fixed(issuing_keys())


class Gate:
    """A signer that waits to be let through, and can be made to fail."""

    def __init__(self) -> None:
        self._signer = best_signer(rsa.private_key(0))
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.broken = False

    @property
    def public_key(self) -> RsaPublicKey:
        return self._signer.public_key

    @property
    def modulus_size(self) -> int:
        return self._signer.modulus_size

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        self.entered.release()
        self.open.wait()
        key = rsa.damaged(rsa.private_key(0), d=2, dmp1=2) if self.broken else None
        return (best_signer(key) if key else self._signer).sign(blinded)


@pytest.fixture
async def quota(tmp_path: Path) -> AsyncIterator[Quota]:
    async with Quota(tmp_path / "quota.sqlite", bytes(32), 86_400) as quota:
        yield quota


@pytest.fixture
async def issuance(quota: Quota) -> AsyncIterator[Issuance]:
    async with Issuance(KEYS, quota, max_batch=30, threads=2) as issuance:
        yield issuance


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def gated(quota: Quota, gate: Gate) -> AsyncIterator[Issuance]:
    keys = fixed(IssuingKeys([IssuingKey(gate, 0, may_issue=True)]))
    async with Issuance(keys, quota, max_batch=30, threads=4) as issuance:
        yield issuance


@pytest.mark.parametrize("asked", [ask_one(), ask_batch(7)], ids=["one", "batch"])
async def test_a_request_becomes_tokens_that_verify(issuance: Issuance, tmp_path: Path, asked: Asked) -> None:
    grant = await issuance.issue(ALICE, asked.media_type, asked.body)
    tokens = asked.tokens(grant.responses.body)
    assert (grant.responses.status, grant.fresh, grant.tokens) == (200, True, len(tokens))
    assert charged(tmp_path) == [len(tokens)]


async def test_the_same_request_gets_the_same_answer_for_nothing(issuance: Issuance, tmp_path: Path) -> None:
    asked = ask_batch(20)
    first = await issuance.issue(ALICE, asked.media_type, asked.body)
    second = await issuance.issue(ALICE, asked.media_type, asked.body)
    assert second.responses == first.responses
    assert not second.fresh
    assert charged(tmp_path) == [20]


async def test_what_cannot_be_granted_of_a_batch_is_not_charged(issuance: Issuance, tmp_path: Path) -> None:
    asked = ask_batch(3)
    body = bytearray(asked.body)
    body[-256:] = bytes(256)  # zero is no blinded message
    grant = await issuance.issue(ALICE, asked.media_type, bytes(body))
    assert grant.responses.status == 206
    assert charged(tmp_path) == [2]


async def test_a_batch_granted_in_part_pays_again_for_what_another_key_grants(
    quota: Quota, tmp_path: Path
) -> None:
    halves = [ask_batch(1, rsa.private_key(number).public_key).body[2:] for number in (0, 1)]
    body = (2 * 259 | 0x4000).to_bytes(2, "big") + b"".join(halves)
    media_type = ask_batch(1).media_type
    for number in (0, 1):
        async with Issuance(fixed(issuing_keys(number)), quota, max_batch=30, threads=1) as issuance:
            grant = await issuance.issue(ALICE, media_type, body)
            assert (grant.responses.status, grant.fresh) == (206, True)
    assert charged(tmp_path) == [2]


@pytest.mark.parametrize(
    ("media_type", "body", "error"),
    [
        ("text/plain", b"", UnsupportedMediaType),
        (ask_one().media_type, b"", RequestMalformed),
        (ask_one().media_type, b"\x00\x02" + bytes(257), TacitaError),
        (ask_one().media_type, ask_one(rsa.private_key(1).public_key).body, UnknownTokenKey),
        (ask_batch(1).media_type, ask_batch(31).body, BatchTooLarge),
        (ask_batch(1).media_type, b"\x00", TacitaError),
        (ask_batch(1).media_type, b"", TacitaError),
    ],
)
async def test_what_is_refused_costs_nothing(
    issuance: Issuance, tmp_path: Path, media_type: str, body: bytes, error: type[TacitaError]
) -> None:
    with pytest.raises(error):
        await issuance.issue(ALICE, media_type, body)
    assert charged(tmp_path) == []


async def test_over_quota_signs_nothing(issuance: Issuance, tmp_path: Path) -> None:
    asked = ask_batch(21)
    with pytest.raises(OverQuota):
        await issuance.issue(ALICE, asked.media_type, asked.body)
    assert charged(tmp_path) == []


async def test_the_charge_is_on_disk_before_anything_is_signed(
    gated: Issuance, gate: Gate, tmp_path: Path
) -> None:
    asked = ask_batch(5)
    issuing = asyncio.create_task(gated.issue(ALICE, asked.media_type, asked.body))
    await asyncio.to_thread(gate.entered.acquire)
    assert charged(tmp_path) == [5]
    gate.open.set()
    assert len(asked.tokens((await issuing).responses.body)) == 5


async def test_the_event_loop_goes_on_while_a_signature_is_made(gated: Issuance, gate: Gate) -> None:
    asked = ask_one()
    issuing = asyncio.create_task(gated.issue(ALICE, asked.media_type, asked.body))
    while not gate.entered.acquire(blocking=False):  # noqa: ASYNC110 (it is a thread that tells)
        await asyncio.sleep(0)
    assert not issuing.done()
    gate.open.set()
    await issuing


async def test_a_signer_that_fails_gives_the_charge_back(gated: Issuance, gate: Gate, tmp_path: Path) -> None:
    gate.open.set()
    gate.broken = True
    asked = ask_batch(5)
    with pytest.raises(SignerFailed) as failure:
        await gated.issue(ALICE, asked.media_type, asked.body)
    assert failure.value.status == 503
    assert charged(tmp_path) == [0]
    gate.broken = False
    assert (await gated.issue(ALICE, asked.media_type, asked.body)).fresh
    assert charged(tmp_path) == [5]


async def test_no_refund_when_the_same_request_was_granted_twice_at_once(
    gated: Issuance, gate: Gate, tmp_path: Path
) -> None:
    asked = ask_batch(5)
    both = [asyncio.create_task(gated.issue(ALICE, asked.media_type, asked.body)) for _ in range(2)]
    for _ in both:
        await asyncio.to_thread(gate.entered.acquire)
    gate.broken = True
    gate.open.set()
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert all(isinstance(outcome, SignerFailed) for outcome in outcomes)
    # Either might have been answered, so the charge stands; it still pays for this request.
    assert charged(tmp_path) == [5]
    gate.broken = False
    assert not (await gated.issue(ALICE, asked.media_type, asked.body)).fresh


async def test_a_client_that_goes_away_is_answered_later_for_the_same_charge(
    gated: Issuance, gate: Gate, tmp_path: Path
) -> None:
    asked = ask_batch(5)
    issuing = asyncio.create_task(gated.issue(ALICE, asked.media_type, asked.body))
    await asyncio.to_thread(gate.entered.acquire)
    issuing.cancel()
    await asyncio.gather(issuing, return_exceptions=True)
    gate.open.set()
    grant = await gated.issue(ALICE, asked.media_type, asked.body)
    assert not grant.fresh
    assert len(asked.tokens(grant.responses.body)) == 5
    assert charged(tmp_path) == [5]
