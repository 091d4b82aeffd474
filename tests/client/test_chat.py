import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from support import targets
from support.worlds import Middle, World, served

from tacita.client import chat
from tacita.client.chat import AnswerMalformed, TargetFailed
from tacita.client.errors import AnswerRefused, AnswerTruncated
from tacita.errors import TacitaError
from tacita.wire import sse

EVENTS = b"Content-Type: text/event-stream; charset=utf-8\r\n"
DONE = sse.encode(sse.DONE)


async def ask(world: World, **parts: object) -> AsyncIterator[str]:
    messages = [{"role": "user", "content": "Why?"}]
    async with world.session(**parts) as session, aclosing(chat.stream(session, "m", messages)) as answer:
        async for piece in answer:
            yield piece


async def said(world: World, body: bytes) -> list[str]:
    world.target.answer = targets.plain(body, fields=EVENTS)
    return [piece async for piece in ask(world)]


async def test_text_as_it_is_made(world: World) -> None:
    feed = targets.Feed()
    world.target.answer = targets.streaming(feed)
    answer = ask(world)
    for text in ("Because", " of", " the air. ☀"):
        feed.send(targets.event(text))
        assert await anext(answer) == text
    feed.send(DONE)
    feed.end()
    assert [piece async for piece in answer] == []
    (request,) = world.target.received
    assert request.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Why?"}],
        "stream": True,
    }


async def test_the_relay_sees_the_answer_end_and_nobody_leave(world: World) -> None:
    middle = Middle(world.endpoints.relay.messages)
    world.target.answer = targets.plain(targets.event("x") + DONE, fields=EVENTS)
    async with served(middle.handle) as origin:
        assert [piece async for piece in ask(world, endpoints=world.with_relay(origin))] == ["x"]
    assert b"tacita_gateway_truncated_total 0.0" in world.gateway.metrics.render()


async def test_the_longest_answer_can_be_asked_for(world: World) -> None:
    world.target.answer = targets.plain(DONE, fields=EVENTS)
    async with world.session() as session:
        assert [one async for one in chat.stream(session, "m", [], max_tokens=7)] == []
    assert json.loads(world.target.received[0].body)["max_tokens"] == 7


async def test_what_has_no_text_is_skipped(world: World) -> None:
    events = [{"choices": []}, {"choices": [{"delta": {}}]}, {"choices": [{"delta": {"content": None}}]}]
    body = b": ping\n\n" + b"".join(sse.encode(json.dumps(event)) for event in events) + DONE
    assert await said(world, body) == []


async def test_half_a_character_is_no_text(world: World) -> None:
    body = sse.encode('{"choices": [{"delta": {"content": "a\\ud800"}}]}') + DONE
    assert await said(world, body) == ["a?"]


async def test_what_follows_the_end_is_not_read(world: World) -> None:
    assert await said(world, targets.event("x") + DONE + targets.event("y")) == ["x"]


@pytest.mark.parametrize(
    "event",
    ["x", "[]", "{}", '{"choices": 5}', '{"choices": [{}]}', '{"choices": [{"delta": 5}]}', "[" * 99_999],
)
async def test_a_stream_of_something_else(world: World, event: str) -> None:
    with pytest.raises(AnswerMalformed):
        await said(world, sse.encode(event) + DONE)


@pytest.mark.parametrize("body", [b"data: \xff\n\n", b"data: " + b"x" * 1_100_000])
async def test_malformed_events(world: World, body: bytes) -> None:
    with pytest.raises(TacitaError):
        await said(world, body + DONE)


@pytest.mark.parametrize("body", [b"", targets.event("x"), targets.event("x") + b"data: [DO"])
async def test_a_stream_without_its_last_event(world: World, body: bytes) -> None:
    with pytest.raises(AnswerTruncated):
        await said(world, body)


async def test_a_target_that_fails_in_the_middle_says_so(world: World) -> None:
    with pytest.raises(TargetFailed):
        await said(world, targets.event("x") + sse.encode('{"error": {"message": "canary"}}') + DONE)


@pytest.mark.parametrize("fields", [b"", b"Content-Type: application/json\r\n", EVENTS + EVENTS])
async def test_an_answer_that_is_no_stream(world: World, fields: bytes) -> None:
    world.target.answer = targets.plain(b'{"choices": []}', fields=fields)
    with pytest.raises(AnswerMalformed, match="chat model"):
        [piece async for piece in ask(world)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 504])
async def test_error_statuses(world: World, status: int) -> None:
    body = b'{"error": {"message": "No such model."}}'
    world.target.answer = targets.plain(body, status=status)
    with pytest.raises(AnswerRefused) as raised:
        [piece async for piece in ask(world)]
    assert (raised.value.inner_status, raised.value.detail) == (status, "No such model.")


@pytest.mark.parametrize("status", [204, 302])
async def test_other_statuses_are_no_answers(world: World, status: int) -> None:
    world.target.answer = targets.plain(b"", status=status, fields=b"Location: http://elsewhere.example/\r\n")
    with pytest.raises(AnswerMalformed):
        [piece async for piece in ask(world)]
