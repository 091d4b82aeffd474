"""R2: of what a malicious issuer answers nothing is kept. R29: an answer that is lost is asked for again."""

import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from support.rsa import private_key
from support.worlds import World, served

from tacita.client.errors import CredentialRefused, IssuanceRefused, QuotaUsedUp
from tacita.client.issuance import BATCH, fetch_batch, fetch_tokens, read_credential
from tacita.client.record import Party, Recorder
from tacita.client.token_requests import KeyTurnedOver
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.errors import ConfigError, TacitaError
from tacita.net.upstream import UpstreamError
from tacita.privacypass import batch
from tacita.privacypass.batch import (
    GenericBatchTokenRequest,
    GenericBatchTokenResponse,
    GenericTokenResponse,
)
from tacita.privacypass.errors import IssuerMisbehaved, NoUsableKey
from tacita.privacypass.types import blind_rsa

COUNT = 4

Answers = list[GenericTokenResponse | None]
Change = Callable[[Answers], Iterable[GenericTokenResponse | None]]


def signed(folder: Path, body: bytes, number: int | None = None) -> Answers:
    """Return what the honest issuer in `folder` answers, or one with another key."""
    asked = GenericBatchTokenRequest.decode(body, limit=100).token_requests
    requests = [blind_rsa.TokenRequest.decode(one) for one in asked]
    key = _key(folder, requests[0].truncated_token_key_id) if number is None else private_key(number)
    blinded = [_fitting(one.blinded_msg, key) for one in requests]
    return [GenericTokenResponse(2, signature) for signature in best_signer(key).sign(blinded)]


def _key(folder: Path, truncated_id: int) -> RsaPrivateKey:
    keys = [RsaPrivateKey.from_pem(path.read_bytes()) for path in (folder / "keys").glob("*.key")]
    return next(key for key in keys if key.public_key.key_id[-1] == truncated_id)


def _fitting(message: bytes, key: RsaPrivateKey) -> bytes:
    return (int.from_bytes(message, "big") % key.public_key.n).to_bytes(256, "big")


def flipped(answers: Answers) -> Answers:
    last = answers[-1]
    assert last is not None
    wrong = bytes([*last.token_response[:-1], last.token_response[-1] ^ 1])
    return [*answers[:-1], GenericTokenResponse(2, wrong)]


CHANGES: dict[str, Change] = {
    "one wrong signature": flipped,
    "one token too few": lambda answers: answers[:-1],
    "one token of another type": lambda answers: [*answers[:-1], GenericTokenResponse(1, bytes(145))],
    "another type for all": lambda _answers: [GenericTokenResponse(5, bytes(96))] * COUNT,
    "in another order": lambda answers: answers[::-1],
    "one twice": lambda answers: [answers[0], *answers[:-1]],
    "none": lambda _answers: [None] * COUNT,
    "nothing": lambda _answers: [],
}


def answering(
    body_of: Callable[[bytes], bytes], status: int = 200
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = body_of(await request.read())
        return web.Response(status=status, body=body, headers={"Content-Type": batch.RESPONSE_MEDIA_TYPE})

    return handler


async def assert_nothing_is_kept(
    world: World, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> TacitaError:
    trust = await world.trust()
    async with served(handler) as origin:
        with world.wallet() as wallet, pytest.raises(TacitaError) as raised:
            wallet.add(await fetch_tokens(world.with_issuer(origin).issuer, trust, world.credential, COUNT))
    assert await world.left() == 0
    return raised.value


@pytest.mark.parametrize("name", list(CHANGES))
async def test_of_a_batch_with_a_fault_nothing_is_kept(world: World, name: str) -> None:
    def body_of(body: bytes) -> bytes:
        return GenericBatchTokenResponse(tuple(CHANGES[name](signed(world.folder, body)))).encode()

    await assert_nothing_is_kept(world, answering(body_of))


async def test_a_key_for_this_client_alone_is_a_mark(world: World) -> None:
    def body_of(body: bytes) -> bytes:
        return GenericBatchTokenResponse(tuple(signed(world.folder, body, 3))).encode()

    assert isinstance(await assert_nothing_is_kept(world, answering(body_of)), IssuerMisbehaved)


async def test_one_too_many_is_refused(world: World) -> None:
    def body_of(body: bytes) -> bytes:
        answers = signed(world.folder, body)
        return GenericBatchTokenResponse((*answers, answers[0])).encode()

    await assert_nothing_is_kept(world, answering(body_of))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, CredentialRefused), (403, CredentialRefused), (429, QuotaUsedUp)]
    + [(status, KeyTurnedOver) for status in (400, 422)]
    + [(status, IssuanceRefused) for status in (204, 302, 404, 415, 500, 503)],
)
async def test_refusals(world: World, status: int, kind: type[TacitaError]) -> None:
    assert type(await assert_nothing_is_kept(world, answering(lambda _: b"", status))) is kind


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"garbage", bytes(70_000), b"\xbf\xff\xff\xff" + bytes(2_000_000)]
)
async def test_garbage(world: World, body: bytes) -> None:
    await assert_nothing_is_kept(world, answering(lambda _: body))


async def test_tokens_of_an_honest_issuer_verify(world: World) -> None:
    trust = await world.trust()
    recorder = Recorder()
    tokens = await fetch_tokens(world.endpoints.issuer, trust, world.credential, COUNT, recorder=recorder)
    key = trust.issuing_key(time.time())
    assert len({token.nonce for token in tokens}) == COUNT
    for token in tokens:
        blind_rsa.verify(token, key, trust.challenge.digest())
        for part in (token.nonce, token.authenticator, token.challenge_digest):
            assert part not in recorder.views[Party.ISSUER].sent
            assert part not in recorder.views[Party.ISSUER].received
    assert world.credential.encode() in recorder.views[Party.ISSUER].sent


async def test_some_of_them_are_better_than_none(world: World) -> None:
    def body_of(body: bytes) -> bytes:
        return GenericBatchTokenResponse((None, *signed(world.folder, body)[1:])).encode()

    async with served(answering(body_of, 206)) as origin:
        issuer = world.with_issuer(origin).issuer
        assert len(await fetch_tokens(issuer, await world.trust(), world.credential, COUNT)) == COUNT - 1


async def test_a_lost_answer_is_asked_for_again_with_the_same_body_and_costs_once(world: World) -> None:
    bodies = []

    async def losing(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        bodies.append(body)
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type", "Authorization")}
        async with (
            ClientSession() as session,
            session.post(world.endpoints.issuer.token_request, data=body, headers=headers) as response,
        ):
            answer = await response.read()
        if len(bodies) == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=answer, headers={"Content-Type": batch.RESPONSE_MEDIA_TYPE})

    async with served(losing) as origin:
        issuer = world.with_issuer(origin).issuer
        assert len(await fetch_tokens(issuer, await world.trust(), world.credential, COUNT)) == COUNT
    assert bodies[0] == bodies[1]
    assert len(bodies) == 2
    # 1000 a day: 996 more are granted, and then no other.
    trust = await world.trust()
    for _ in range(9):
        await fetch_tokens(world.endpoints.issuer, trust, world.credential, 100)
    await fetch_tokens(world.endpoints.issuer, trust, world.credential, 96)
    with pytest.raises(QuotaUsedUp):
        await fetch_tokens(world.endpoints.issuer, trust, world.credential, 1)


async def test_an_issuer_that_always_breaks_off_is_left_alone(world: World) -> None:
    asked = 0

    async def broken(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    error = await assert_nothing_is_kept(world, broken)
    assert isinstance(error, UpstreamError)
    assert str(error).startswith("The issuer ")
    assert asked == 2


async def test_no_key_that_issues_yet(world: World) -> None:
    with pytest.raises(NoUsableKey):
        await fetch_tokens(world.endpoints.issuer, await world.trust(), world.credential, 1, clock=lambda: 0)


def test_a_credential_is_read_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "credential"
    path.write_text("abc.DEF-123~+/==\n")
    with pytest.raises(ConfigError, match="chmod 600"):
        read_credential(path)
    path.chmod(0o600)
    assert read_credential(path) == "abc.DEF-123~+/=="


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"two words", b"a\r\nX-More: b", "schlüssel".encode()])
def test_what_is_no_credential_is_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "credential"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="holds no credential") as raised:
        read_credential(path)
    assert raised.value.__cause__ is None
    assert not content or content.decode("latin-1") not in str(raised.value)


async def test_a_batch_is_smaller_where_the_account_may_not_have_a_whole_one(world: World) -> None:
    # 1000 a day: nine batches leave 100, and 85 more leave 15, which are had as 10 and then one by one.
    trust = await world.trust()
    for count in (*[BATCH] * 9, 85):
        await fetch_tokens(world.endpoints.issuer, trust, world.credential, count)
    got = [len(await fetch_batch(world.endpoints.issuer, trust, world.credential)) for _ in range(6)]
    assert got == [10, 1, 1, 1, 1, 1]
    with pytest.raises(QuotaUsedUp):
        await fetch_batch(world.endpoints.issuer, trust, world.credential)
