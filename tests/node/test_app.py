import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tacita.wire.sse import DONE, EventDecoder

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "smollm2-135m-instruct"
PATH = "/v1/chat/completions"
LONG = "Write a very long story about a river, a mill and a cat."
CANARY = "canary-7f3a"


def chat(content: str = "Say hi.", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    return {"model": MODEL, "messages": messages, "max_tokens": 4, "temperature": 0, **fields}


async def post(node: Any, document: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(node.url + PATH, json=document) as response:
        return response.status, await response.json()


async def test_a_plain_answer(node: Any) -> None:
    status, document = await post(node, chat())
    assert status == 200
    assert document["object"] == "chat.completion"
    assert document["choices"][0]["message"]["content"]
    assert document["choices"][0]["finish_reason"] in {"stop", "length"}
    assert document["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert node.metric('requests_total{result="answered"}') == 1
    assert node.metric("generated_tokens_total") == document["usage"]["completion_tokens"]


async def test_a_stream_arrives_while_the_model_still_speaks(node: Any) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    document = chat(LONG, max_tokens=40, **options)
    decoder, events, arrivals = EventDecoder(), [], 0
    async with aiohttp.ClientSession() as session, session.post(node.url + PATH, json=document) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        async for data, _ in response.content.iter_chunks():
            arrivals += 1
            if not events:
                # The head of the answer is here and the model has not ended.
                assert node.metric('requests_total{result="answered"}') == 0
                assert node.metric("running_requests") == 1
            events += decoder.feed(data)
    decoder.finish()
    assert arrivals >= 3
    assert events.pop() == DONE
    chunks = [json.loads(event) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len([c for c in chunks if c["choices"] and c["choices"][0]["delta"].get("content")]) >= 3
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 40


async def test_plain_and_stream_say_the_same(node: Any) -> None:
    _, plain = await post(node, chat(max_tokens=6))
    decoder, text = EventDecoder(), ""
    async with (
        aiohttp.ClientSession() as session,
        session.post(node.url + PATH, json=chat(max_tokens=6, stream=True)) as response,
    ):
        for event in decoder.feed(await response.read())[:-1]:
            text += json.loads(event)["choices"][0]["delta"].get("content", "")
    assert text == plain["choices"][0]["message"]["content"]


async def test_the_models(node: Any) -> None:
    async with aiohttp.ClientSession() as session, session.get(node.url + "/v1/models") as response:
        assert [entry["id"] for entry in (await response.json())["data"]] == [MODEL]


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        (chat(CANARY, model=CANARY), 404, "model_not_found"),
        (chat(CANARY, tools=[{"type": "function"}]), 400, "unsupported_parameter"),
        (chat(CANARY, temperature=9), 400, None),
        (chat(f"{CANARY} " * 1000), 400, "context_length_exceeded"),
        (chat(f"{CANARY} " * 1000, stream=True), 400, "context_length_exceeded"),
        (chat(CANARY * 4000), 413, "request_too_large"),
        ([CANARY], 400, None),
    ],
)
async def test_refusals(node: Any, document: Any, status: int, code: str | None) -> None:
    answered, body = await post(node, document)
    assert answered == status
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (body["error"]["type"], body["error"]["code"]) == ("invalid_request_error", code)
    assert CANARY not in json.dumps(body)
    assert node.metric('requests_total{result="refused"}') == 1


async def test_what_is_not_a_chat_completion(node: Any) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(node.url + PATH, data=b"{}") as response:
            assert response.status == 415
        async with session.get(node.url + PATH) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
        for path in ("/", "/props", "/slots", "/v1/completions", f"/{CANARY}"):
            async with session.get(node.url + path) as response:
                assert response.status == 404
                assert CANARY not in await response.text()


async def test_busy(node: Any) -> None:
    async with aiohttp.ClientSession() as session:
        running = await session.post(node.url + PATH, json=chat(LONG, max_tokens=400, stream=True))
        waiting = asyncio.create_task(post(node, chat()))
        await until_metric(node, "waiting_requests", 1)
        async with session.post(node.url + PATH, json=chat()) as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
            assert (await response.json())["error"]["code"] == "overloaded"
        assert node.metric('requests_total{result="busy"}') == 1
        running.close()
        assert (await waiting)[0] == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_frees_the_model(node: Any, stream: bool) -> None:
    async with aiohttp.ClientSession() as session:
        asked = asyncio.create_task(
            session.post(node.url + PATH, json=chat(LONG, max_tokens=400, stream=stream))
        )
        await until_metric(node, "running_requests", 1)
        if stream:
            (await asked).close()
        else:
            asked.cancel()
        await until_metric(node, "running_requests", 0)
    assert (await post(node, chat(max_tokens=1)))[0] == 200
    assert node.metric('requests_total{result="cancelled"}') == 1
    # The answer that nobody waited for was not completed.
    assert node.metric("generated_tokens_total") == 1


async def until_metric(node: Any, name: str, value: float) -> None:
    while node.metric(name) != value:  # noqa: ASYNC110 - the point is to observe from outside
        await asyncio.sleep(0.01)
