"""One request for one token, and R29: what a retry may do."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web
from support import targets
from support.rsa import private_key
from support.worlds import Middle, World, served

from gateway.config import KeysConfig
from gateway.keys import Keyring
from tacita.bhttp import Request, RequestHead, decode_request
from tacita.client.endpoints import Endpoints
from tacita.client.errors import (
    AnswerRefused,
    AnswerTruncated,
    KeyRefused,
    OuterRefusal,
    SourcesDisagree,
    WalletEmpty,
)
from tacita.client.issuance import fetch_tokens
from tacita.client.session import Session
from tacita.client.trust import Trust
from tacita.crypto.hpke import Kem, PrivateKey
from tacita.net.upstream import UpstreamError
from tacita.ohttp import KeyConfig
from tacita.ohttp.chunked import RequestOpener
from tacita.ohttp.errors import ResponseRefused
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.wire import base64url

CONTENT = b'{"question": "canary"}'

Change = Callable[[int, int, bytes], tuple[int, bytes]]


def head_for(world: World, *fields: tuple[bytes, bytes], path: bytes = b"/v1/x") -> RequestHead:
    authority = world.target.url.partition("://")[2].encode()
    return RequestHead(
        b"POST", b"http", authority, path, (*fields, (b"content-length", b"%d" % len(CONTENT)))
    )


async def ask(session: Session, world: World) -> bytes:
    async with session.send(head_for(world), CONTENT) as answer:
        return b"".join([piece async for piece in answer.pieces()])


@asynccontextmanager
async def behind(
    world: World, change: Change | None = None, *, tokens: int = 1, **parts: Any
) -> AsyncIterator[tuple[Session, Middle]]:
    """Open a session whose relay records everything and changes answers."""
    middle = Middle(world.endpoints.relay.messages)
    if change is not None:
        middle.change = change
    async with (
        served(middle.handle) as origin,
        world.session(tokens, endpoints=world.with_relay(origin), **parts) as session,
    ):
        yield session, middle


def requests_of(world: World, middle: Middle) -> list[Request]:
    """Open what was sealed, with the gateway's key."""
    keyring = Keyring(KeysConfig(state=world.folder / "keys.json"))
    keyring.turn()
    keys = keyring.shown.keys
    requests = []
    for message in middle.sent:
        opener = RequestOpener(keys)
        requests.append(decode_request(b"".join([*opener.feed(message), *opener.finish()])))
    return requests


def encs_of(middle: Middle) -> list[bytes]:
    return [message[7:39] for message in middle.sent]


async def test_the_answer_streams_and_the_target_sees_no_token(world: World) -> None:
    feed = targets.Feed()
    world.target.answer = targets.streaming(feed)
    async with world.session() as session, session.send(head_for(world), CONTENT) as answer:
        assert answer.status == 200
        assert (b"content-type", b"text/event-stream") in answer.fields
        pieces = answer.pieces()
        for piece in (b"one", b"two"):
            feed.send(piece)
            assert await anext(pieces) == piece
        feed.end()
        assert [piece async for piece in pieces] == []
    (received,) = world.target.received
    assert received.body == CONTENT
    assert "authorization" not in received.fields
    assert await world.left() == 0


async def test_the_request_is_padded(world: World) -> None:
    async with behind(world, tokens=2) as (session, middle):
        for length in (1_000, 1_010):
            async with session.send(head_for(world, (b"x", b"y" * length)), CONTENT):
                pass
    assert len(middle.sent[0]) == len(middle.sent[1])


async def test_without_a_token_nothing_is_sent(world: World) -> None:
    async with behind(world, tokens=0) as (session, middle):
        with pytest.raises(WalletEmpty):
            await ask(session, world)
    assert middle.sent == []


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_token_that_came_back_is_shown_again_for_the_identical_request(
    world: World, status: int
) -> None:
    world.target.answer = targets.failing(2, status=status)
    async with behind(world, tokens=2) as (session, middle):
        assert await ask(session, world) == b"an answer"
    first, second, third = requests_of(world, middle)
    assert first == second == third
    assert len(set(encs_of(middle))) == 3
    assert await world.left() == 1


async def test_it_is_shown_at_most_as_often_as_gateways_give_it_back(world: World) -> None:
    world.target.answer = targets.failing(9)
    async with behind(world, tokens=2) as (session, middle):
        with pytest.raises(AnswerRefused) as raised:
            await ask(session, world)
    assert raised.value.inner_status == 500
    assert len(middle.sent) == 3
    assert await world.left() == 1


async def test_after_504_the_target_may_still_be_at_work(world: World) -> None:
    world.target.answer = targets.failing(9, status=504)
    async with behind(world, tokens=2) as (session, middle):
        with pytest.raises(AnswerRefused) as raised:
            await ask(session, world)
    assert raised.value.inner_status == 504
    assert len(middle.sent) == 1


async def test_a_token_that_came_back_is_of_no_use_in_the_recorded_message(world: World) -> None:
    world.target.answer = targets.failing(1)
    middle = Middle(world.endpoints.relay.messages)

    async def replaying(request: web.Request) -> web.StreamResponse:
        response = await middle.handle(request)
        if len(middle.sent) == 1:
            headers = {"Content-Type": request.content_type, "Incremental": "?1"}
            async with (
                ClientSession() as session,
                session.post(middle.onward, data=middle.sent[0], headers=headers) as again,
            ):
                await again.read()
        return response

    async with served(replaying) as origin, world.session(endpoints=world.with_relay(origin)) as session:
        assert await ask(session, world) == b"an answer"
    assert len(middle.sent) == 2
    # The one that failed, and the one that was sealed anew: what was replayed in between got nowhere.
    assert len(world.target.received) == 2


@pytest.mark.parametrize("status", [401, 413, 422, 500, 502, 503, 504])
async def test_an_outer_error_never_leads_to_a_second_use_of_the_token(world: World, status: int) -> None:
    def refused(_number: int, _status: int, body: bytes) -> tuple[int, bytes]:
        return status, body

    async with behind(world, refused, tokens=2) as (session, middle):
        with pytest.raises(OuterRefusal):
            await ask(session, world)
        assert len(middle.sent) == 1
        middle.change = lambda _number, status, body: (status, body)
        assert await ask(session, world) == b"an answer"
    first, second = requests_of(world, middle)
    assert first != second  # by the token alone
    assert first.head.fields[:-1] == second.head.fields[:-1]
    assert await world.left() == 0


async def test_a_page_is_no_encapsulated_response(world: World) -> None:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>It works!</h1>")

    async with served(page) as origin, world.session(endpoints=world.with_relay(origin)) as session:
        with pytest.raises(OuterRefusal, match="did not answer with an encapsulated response"):
            await ask(session, world)


@asynccontextmanager
async def retired(
    world: World, change: Change | None = None, endpoints: Endpoints | None = None, *, tokens: int = 2
) -> AsyncIterator[tuple[Session, Middle]]:
    """Open a session that knows a key which the gateway does not have (any more)."""
    trust = await world.trust()
    old = PrivateKey.derive(Kem.X25519, b"\5" * 64).public_key
    config = KeyConfig(200, Kem.X25519, old, trust.key_config.symmetric_algorithms)
    stale = Trust(config, trust.challenge, trust.issuer)
    middle = Middle(world.endpoints.relay.messages)
    if change is not None:
        middle.change = change
    async with served(middle.handle) as origin:
        relay = msgspec.structs.replace((endpoints or world.endpoints).relay, messages=f"{origin}/gateway")
        place = msgspec.structs.replace(endpoints or world.endpoints, relay=relay)
        with world.wallet() as wallet:
            wallet.add(await fetch_tokens(world.endpoints.issuer, trust, world.credential, tokens))
            async with Session(place, stale, wallet) as session:
                yield session, middle


async def test_after_a_turnover_the_documents_are_fetched_and_the_request_is_sent_once_more(
    world: World,
) -> None:
    async with retired(world) as (session, middle):
        assert await ask(session, world) == b"an answer"
        assert len(middle.sent) == 2
        # From now on the session knows the key.
        assert await ask(session, world) == b"an answer"
        assert len(middle.sent) == 3
    first, *others = middle.sent
    assert first[0] == 200
    middle.sent = others
    assert len(requests_of(world, middle)) == 2, "sealed to the key that there is"
    middle.sent = [first, *others]
    assert len(set(encs_of(middle))) == 3


async def test_it_is_one_retry_and_not_two(world: World) -> None:
    async with retired(world, lambda _number, _status, body: (422, body)) as (session, middle):
        with pytest.raises(KeyRefused):
            await ask(session, world)
    assert len(middle.sent) == 2
    assert await world.left() == 1


async def test_no_retry_when_the_mirrors_disagree_afterwards(world: World) -> None:
    async def lying(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\0\0", headers={"Content-Type": "application/ohttp-keys"})

    async with served(lying) as origin:
        endpoints = world.with_documents("mirror", gateway_keys=f"{origin}/keys")
        async with retired(world, endpoints=endpoints) as (session, middle):
            with pytest.raises(SourcesDisagree):
                await ask(session, world)
    assert len(middle.sent) == 1


def _another_challenge(_world: World) -> tuple[str, str, bytes]:
    challenge = TokenChallenge(2, "another.example", b"", ())
    body = json.dumps({"challenge": base64url.encode(challenge.encode())}).encode()
    return "challenge", "application/json", body


def _another_issuer_key(_world: World) -> tuple[str, str, bytes]:
    key = TokenKey(2, private_key(4).public_key.spki, 0)
    directory = IssuerDirectory("https://issuer.example/token-request", (key,))
    return "issuer_directory", "application/private-token-issuer-directory", directory.to_json()


@pytest.mark.parametrize("change", [_another_challenge, _another_issuer_key])
async def test_no_retry_with_a_token_that_the_new_documents_do_not_know(
    world: World, change: Callable[[World], tuple[str, str, bytes]]
) -> None:
    kind, media_type, body = change(world)

    async def both(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": media_type})

    async with served(both) as first, served(both) as second:
        endpoints = world.with_documents("relay", **{kind: f"{first}/x"})
        mirror = msgspec.structs.replace(world.endpoints.mirror, **{kind: f"{second}/x"})
        endpoints = msgspec.structs.replace(endpoints, mirror=mirror)
        async with retired(world, endpoints=endpoints) as (session, middle):
            with pytest.raises(KeyRefused):
                await ask(session, world)
    assert len(middle.sent) == 1


async def test_leaving_early_reaches_the_target(world: World) -> None:
    world.target.answer = targets.hanging(b"piece")
    async with world.session() as session:
        async with session.send(head_for(world), CONTENT) as answer:
            assert await anext(answer.pieces()) == b"piece"
        await asyncio.wait_for(world.target.received[0].gone.wait(), 20)


async def test_cancellation_closes_the_connection_to_the_relay(world: World) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def hanging(_request: web.Request) -> web.StreamResponse:
        asked.set()
        try:
            await asyncio.sleep(600)
        finally:
            gone.set()
        raise AssertionError

    async with served(hanging) as origin, world.session(endpoints=world.with_relay(origin)) as session:
        task = asyncio.create_task(ask(session, world))
        await asyncio.wait_for(asked.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 20)
    assert await world.left() == 0


@pytest.mark.parametrize("keep", [0, 10, 32, 40, -1, -30])
async def test_a_truncated_answer_is_told_from_a_whole_one(world: World, keep: int) -> None:
    world.target.answer = targets.plain(b"x" * 40_000)

    def cut(_number: int, status: int, body: bytes) -> tuple[int, bytes]:
        return status, body[:keep]

    async with behind(world, cut) as (session, middle):
        # A final chunk that is cut inside is no chunk at all.
        with pytest.raises(AnswerTruncated if keep >= 0 else (AnswerTruncated, ResponseRefused)):
            await ask(session, world)
    assert len(middle.sent) == 1


async def test_a_target_that_dies_in_the_middle(world: World) -> None:
    die = asyncio.Event()

    async def answer_half(
        _request: targets.Received, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nthe first half")
        await die.wait()

    world.target.answer = answer_half
    async with world.session() as session, session.send(head_for(world), CONTENT) as answer:
        pieces = answer.pieces()
        assert await anext(pieces) == b"the first half"
        die.set()
        with pytest.raises(AnswerTruncated):
            await anext(pieces)


@pytest.mark.parametrize("place", [0, 31, 32, 34, 60, -1, -20])
async def test_a_flipped_byte_is_refused(world: World, place: int) -> None:
    def flip(_number: int, status: int, body: bytes) -> tuple[int, bytes]:
        changed = bytearray(body)
        changed[place] ^= 1
        return status, bytes(changed)

    async with behind(world, flip) as (session, middle):
        # A flipped length can also make the answer seem to end too early.
        with pytest.raises((ResponseRefused, AnswerTruncated) if place == 32 else ResponseRefused):
            await ask(session, world)
    assert len(middle.sent) == 1


async def test_the_answer_to_another_request_is_refused(world: World) -> None:
    async with behind(world, tokens=2) as (session, middle):
        assert await ask(session, world) == b"an answer"
        earlier = middle.received[0]
        middle.change = lambda _number, status, _body: (status, earlier)
        with pytest.raises(ResponseRefused):
            await ask(session, world)


async def test_a_forbidden_target_and_what_it_said(world: World) -> None:
    async with world.session() as session:
        with pytest.raises(AnswerRefused) as raised:
            async with session.send(RequestHead(b"GET", b"http", b"elsewhere.example", b"/")):
                pass
    assert raised.value.inner_status == 403
    assert "does not forward to that origin" in raised.value.detail
    assert raised.value.detail not in str(raised.value) + repr(raised.value)


async def test_a_spent_token_is_refused_and_not_shown_again(world: World) -> None:
    async with behind(world) as (session, middle):
        trust = await world.trust()
        with world.wallet() as wallet:
            token = wallet.take(trust.challenge.digest(), trust.token_key_ids())
            wallet.add([token])
            assert await ask(session, world) == b"an answer"
            wallet.add([token])
        with pytest.raises(AnswerRefused) as raised:
            await ask(session, world)
    assert raised.value.inner_status == 401
    assert len(middle.sent) == 2


async def test_an_absent_relay_is_named(world: World) -> None:
    async with served(Middle("").handle) as origin:
        pass
    async with world.session(endpoints=world.with_relay(origin)) as session:
        with pytest.raises(UpstreamError, match=r"^The relay cannot be reached"):
            await ask(session, world)
