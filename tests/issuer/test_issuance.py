import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from support import partially_blind, rsa
from support.clocks import Clock
from support.issuers import Asked, ask_batch, ask_one, charged, issuing_keys

from issuer.attesters import Account
from issuer.errors import Busy, OverQuota, SignerFailed, SignerGone
from issuer.issuance import Issuance
from issuer.keys import fixed
from issuer.quota.sqlite import SqliteQuota
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.crypto.signer import SignerUnreachable, best_signer
from tacita.errors import TacitaError
from tacita.privacypass import amortized
from tacita.privacypass.errors import (
    BatchTooLarge,
    ExtensionsRefused,
    RequestMalformed,
    UnknownTokenKey,
    UnsupportedMediaType,
)
from tacita.privacypass.extensions import ExpirationPolicy
from tacita.privacypass.issuing import REQUEST_MEDIA_TYPE, IssuingKey, IssuingKeys
from tacita.privacypass.types import partially_blind_rsa, voprf_p384

ALICE = Account("alice", 20)
KEYS = fixed(issuing_keys())


class Gate:
    """A signer that waits to be let through, and can be made to fail."""

    def __init__(self) -> None:
        self._signer = best_signer(rsa.private_key(0))
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.broken = False
        self.gone = False

    @property
    def public_key(self) -> RsaPublicKey:
        return self._signer.public_key

    @property
    def modulus_size(self) -> int:
        return self._signer.modulus_size

    def sign(self, blinded: Sequence[bytes]) -> list[bytes]:
        self.entered.release()
        self.open.wait()
        if self.gone:
            raise SignerUnreachable("It is gone.")
        key = rsa.damaged(rsa.private_key(0), d=2, dmp1=2) if self.broken else None
        return (best_signer(key) if key else self._signer).sign(blinded)


def has_room(issuance: Issuance) -> bool:
    try:
        issuance.require_room(1)
    except Busy:
        return False
    return True


@pytest.fixture
async def quota(tmp_path: Path) -> AsyncIterator[SqliteQuota]:
    async with SqliteQuota(tmp_path / "quota.sqlite", bytes(32), 86_400) as quota:
        yield quota


@pytest.fixture
async def issuance(quota: SqliteQuota) -> AsyncIterator[Issuance]:
    async with Issuance(KEYS, quota, max_batch=30, threads=2) as issuance:
        yield issuance


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def gated(quota: SqliteQuota, gate: Gate) -> AsyncIterator[Issuance]:
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
    quota: SqliteQuota, tmp_path: Path
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


async def test_a_device_that_is_gone_gives_the_charge_back(
    gated: Issuance, gate: Gate, tmp_path: Path
) -> None:
    gate.open.set()
    gate.gone = True
    asked = ask_batch(5)
    with pytest.raises(SignerGone) as failure:
        await gated.issue(ALICE, asked.media_type, asked.body)
    assert (failure.value.status, failure.value.result) == (503, "signer_gone")
    assert charged(tmp_path) == [0]
    gate.gone = False
    assert (await gated.issue(ALICE, asked.media_type, asked.body)).fresh
    assert charged(tmp_path) == [5]


async def test_more_signatures_than_may_wait_are_refused_before_they_cost(
    quota: SqliteQuota, gate: Gate, tmp_path: Path
) -> None:
    keys = fixed(IssuingKeys([IssuingKey(gate, 0, may_issue=True)]))
    async with Issuance(keys, quota, max_batch=30, threads=1, max_waiting=5) as issuance:
        first, second, third = (ask_batch(5) for _ in range(3))
        running = asyncio.create_task(issuance.issue(ALICE, first.media_type, first.body))
        await asyncio.to_thread(gate.entered.acquire)
        waiting = asyncio.create_task(issuance.issue(ALICE, second.media_type, second.body))
        while has_room(issuance):  # noqa: ASYNC110 (nothing else tells)
            await asyncio.sleep(0.001)
        with pytest.raises(Busy):
            await issuance.issue(ALICE, third.media_type, third.body)
        assert charged(tmp_path) == [10]
        gate.open.set()
        assert len(first.tokens((await running).responses.body)) == 5
        assert len(second.tokens((await waiting).responses.body)) == 5


async def test_many_clients_at_once_have_each_their_own(issuance: Issuance) -> None:
    many = [ask_one() if number % 3 else ask_batch(11) for number in range(30)]
    accounts = [Account(f"client {number}", 20) for number in range(len(many))]
    grants = await asyncio.gather(
        *(
            issuance.issue(account, asked.media_type, asked.body)
            for account, asked in zip(accounts, many, strict=True)
        )
    )
    for asked, grant in zip(many, grants, strict=True):
        assert len(asked.tokens(grant.responses.body)) == grant.tokens


@pytest.mark.parametrize("count", [1, 30])
async def test_elements_are_read_here_and_in_a_thread(quota: SqliteQuota, count: int) -> None:
    key = voprf_p384.PrivateKey.generate()
    keys = fixed(IssuingKeys([IssuingKey(key, 0, may_issue=True)]))
    request, pending = amortized.request(b"challenge", key.public_key, count)
    async with Issuance(keys, quota, max_batch=30, threads=1) as issuance:
        grant = await issuance.issue(Account("bob", 30), amortized.REQUEST_MEDIA_TYPE, request.encode())
        with pytest.raises(TacitaError):
            await issuance.issue(ALICE, amortized.REQUEST_MEDIA_TYPE, request.encode() + bytes(1))
    response = amortized.AmortizedBatchTokenResponse.decode(
        grant.responses.body, token_type=voprf_p384.TOKEN_TYPE, limit=count
    )
    assert len(amortized.finalize(pending, response)) == grant.tokens == count


async def test_an_expiry_is_checked_before_it_is_charged(quota: SqliteQuota, tmp_path: Path) -> None:
    policy, clock = ExpirationPolicy(3600, 86_400), Clock(1_700_000_000.0)
    signer = partially_blind.signer()
    keys = fixed(IssuingKeys([IssuingKey(signer, 0, may_issue=True)]))
    extensions = policy.choose(clock.now)
    request, pending = partially_blind_rsa.request(b"challenge", signer.public_key, extensions)
    async with Issuance(keys, quota, max_batch=30, threads=1, expiration=policy, clock=clock) as issuance:
        grant = await issuance.issue(ALICE, REQUEST_MEDIA_TYPE, request.encode())
        partially_blind_rsa.finalize(pending, partially_blind_rsa.TokenResponse.decode(grant.responses.body))
        clock.now += 86_400
        with pytest.raises(ExtensionsRefused):
            await issuance.issue(ALICE, REQUEST_MEDIA_TYPE, request.encode())
    assert charged(tmp_path) == [1]


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
