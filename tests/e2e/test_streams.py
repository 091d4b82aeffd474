"""Answers under way: delivered piece by piece, seen as cut when they are, ended when the reader leaves."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from support.asking import Client, request, request_head
from support.targets import Feed, Target, dying, event, hanging, plain, streaming

from tacita.bhttp import Content, ResponseHead
from tacita.client import chat
from tacita.client.errors import AnswerTruncated
from tacita.net.upstream import UpstreamError
from tacita.ohttp.errors import ResponseTruncated

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stub")]


async def test_each_piece_arrives_before_the_next_is_made(client: Client, target: Target) -> None:
    feed = Feed()
    target.answer = streaming(feed)
    sealed = request(client.endpoints.target.url, await client.token())
    async with client.exchange(sealed) as exchange, aclosing(exchange.events()) as events:
        assert isinstance(await anext(events), ResponseHead)
        for piece in (b"one", b"two", b"three"):
            feed.send(piece)
            assert await anext(events) == Content(piece)
        feed.end()
        rest = [event async for event in events]
    assert not [event for event in rest if isinstance(event, Content)]


async def test_a_large_answer_comes_whole(client: Client, target: Target) -> None:
    body = bytes(range(256)) * 4_096
    target.answer = plain(body)
    answer = await client.chunked(request(client.endpoints.target.url, await client.token()))
    assert answer.content == body


async def test_messages_of_rfc_9458_work_as_well(client: Client, target: Target) -> None:
    target.answer = plain(b"in one piece", fields=b"X-Kind: one-shot\r\n")
    content = b'{"a": 1}'
    sealed = request(client.endpoints.target.url, await client.token(), content)
    answer = await client.one_shot(sealed)
    assert (answer.head.status, answer.content) == (200, b"in one piece")
    assert (b"x-kind", b"one-shot") in answer.head.fields
    (received,) = target.received
    assert received.body == content
    assert "authorization" not in received.fields


@pytest.mark.parametrize("length", [None, 1_000])
async def test_an_answer_that_breaks_off_never_looks_whole(
    client: Client, target: Target, length: int | None
) -> None:
    target.answer = dying(b"the beginning", length=length)
    sealed = request(client.endpoints.target.url, await client.token())
    got: list[bytes] = []
    async with client.exchange(sealed) as exchange:
        assert exchange.status == 200
        with pytest.raises((ResponseTruncated, UpstreamError)):
            got += [event.data async for event in exchange.events() if isinstance(event, Content)]
    assert b"the beginning".startswith(b"".join(got))


@pytest.mark.parametrize("length", [None, 1_000])
async def test_the_client_says_that_an_answer_broke_off(
    client: Client, target: Target, tmp_path: Path, length: int | None
) -> None:
    target.answer = dying(b"the beginning", length=length)
    async with (
        client.session(tmp_path / "wallet.sqlite", await client.tokens(1)) as session,
        session.send(request_head(client.endpoints.target.url)) as answer,
    ):
        with pytest.raises(AnswerTruncated):
            assert [piece async for piece in answer.pieces()] == []


async def test_a_broken_answer_to_a_one_shot_message_is_a_refusal(client: Client, target: Target) -> None:
    target.answer = dying(b"the beginning", length=1_000)
    answer = await client.one_shot(request(client.endpoints.target.url, await client.token()))
    assert answer.head.status == 502
    assert b"the beginning" not in answer.content


async def test_a_conversation_without_its_last_event_is_truncated(
    client: Client, target: Target, tmp_path: Path
) -> None:
    target.answer = plain(event("the beginning"), fields=b"Content-Type: text/event-stream\r\n")
    async with client.session(tmp_path / "wallet.sqlite", await client.tokens(1)) as session:
        pieces = chat.stream(session, "any", [{"role": "user", "content": "?"}])
        assert await anext(pieces) == "the beginning"
        with pytest.raises(AnswerTruncated):
            await anext(pieces)


@pytest.mark.parametrize("form", ["chunked", "client"])
async def test_a_client_that_leaves_ends_the_work_of_the_target(
    client: Client, target: Target, tmp_path: Path, form: str
) -> None:
    target.answer = hanging(b"the beginning")
    tokens = await client.tokens(1)
    if form == "chunked":
        sealed = request(client.endpoints.target.url, tokens[0])
        async with client.exchange(sealed) as exchange, aclosing(exchange.events()) as events:
            await anext(events)
            assert not target.received[-1].gone.is_set()
    else:
        async with (
            client.session(tmp_path / "wallet.sqlite", tokens) as session,
            session.send(request_head(client.endpoints.target.url)),
        ):
            assert not target.received[-1].gone.is_set()
    await asyncio.wait_for(target.received[-1].gone.wait(), 20)
