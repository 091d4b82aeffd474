import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.chat import ChatBounds, ChatRequest, Message, parse_chat
from node.errors import BadRequest, ModelNotFound, NodeError, Unsupported
from tacita.errors import TacitaError

BOUNDS = ChatBounds(model="m", messages=4, answer_tokens=100)
CANARY = "canary-7f3a"


def parse(**fields: Any) -> ChatRequest:
    document = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return parse_chat(json.dumps(document).encode(), BOUNDS)


def test_the_shortest_request() -> None:
    assert parse() == ChatRequest(messages=(Message("user", "hi"),), max_tokens=100)


def test_every_field_that_counts() -> None:
    request = parse(
        messages=[
            {"role": "system", "content": "Be brief.", "name": "x"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c"},
        ],
        max_completion_tokens=7,
        max_tokens=9,
        temperature=0,
        top_p=0.5,
        frequency_penalty=-2,
        presence_penalty=2,
        seed=-5,
        stop=["x", "y"],
        stream=True,
        stream_options={"include_usage": True},
    )
    assert request == ChatRequest(
        messages=(Message("system", "Be brief."), Message("user", "a\nb"), Message("assistant", "c")),
        max_tokens=7,
        stream=True,
        include_usage=True,
        temperature=0.0,
        top_p=0.5,
        frequency_penalty=-2.0,
        presence_penalty=2.0,
        seed=-5,
        stop=("x", "y"),
    )


def test_null_is_the_same_as_absent() -> None:
    nothing = dict.fromkeys(("max_tokens", "temperature", "seed", "stop", "stream", "tools", "logprobs", "n"))
    assert parse(**nothing, stream_options=None) == parse()


def test_harmless_and_unknown_fields_are_ignored() -> None:
    extras = {"user": "u", "metadata": {"a": "b"}, "service_tier": "auto", "cache_prompt": True, "id_slot": 3}
    harmless = {"n": 1, "tools": [], "logprobs": False, "response_format": {"type": "text"}, "store": False}
    assert parse(**extras, **harmless) == parse()


@pytest.mark.parametrize("asked", [101, 10**6, 2**62])
def test_the_answer_is_clamped(asked: int) -> None:
    assert parse(max_tokens=asked).max_tokens == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("n", True),
        ("tools", [{"type": "function"}]),
        ("tool_choice", "required"),
        ("functions", [{"name": "f"}]),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"5": 1}),
        ("audio", {"voice": "x"}),
        ("modalities", ["text", "audio"]),
        ("response_format", {"type": "json_object"}),
        ("prediction", {}),
        ("web_search_options", {}),
        ("store", True),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(Unsupported) as caught:
        parse(**{name: value})
    assert (caught.value.param, caught.value.code) == (name, "unsupported_parameter")


@pytest.mark.parametrize(
    "part",
    [{"type": "image_url", "image_url": {"url": CANARY}}, {"type": "input_audio"}, {"type": "file"}, {}],
)
def test_only_text_parts(part: object) -> None:
    with pytest.raises(Unsupported) as caught:
        parse(messages=[{"role": "user", "content": [part]}])
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", 1),
        ("messages", []),
        ("messages", {}),
        ("messages", [CANARY]),
        ("messages", [{"role": CANARY, "content": "x"}]),
        ("messages", [{"role": ["user"], "content": "x"}]),
        ("messages", [{"role": "tool", "content": "x"}]),
        ("messages", [{"role": "user"}]),
        ("messages", [{"role": "user", "content": []}]),
        ("messages", [{"role": "user", "content": [CANARY]}]),
        ("messages", [{"role": "user", "content": [{"type": "text", "text": 1}]}]),
        ("messages", [{"role": "assistant", "content": "x", "tool_calls": [{}]}]),
        ("messages", [{"role": "user", "content": "x"}] * 5),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("max_tokens", True),
        ("max_completion_tokens", -1),
        ("temperature", 2.1),
        ("temperature", "1"),
        ("temperature", True),
        ("top_p", -0.1),
        ("frequency_penalty", 3),
        ("presence_penalty", -3),
        ("seed", 2**63),
        ("seed", 1.0),
        ("stop", ["a"] * 5),
        ("stop", ""),
        ("stop", [1]),
        ("stop", "x" * 257),
        ("stop", {}),
        ("stream", "yes"),
        ("stream_options", {}),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(**{name: value})
    assert caught.value.param == name
    assert caught.value.status == 400
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("options", [1, {"include_usage": 1}])
def test_stream_options_of_the_wrong_type(options: object) -> None:
    with pytest.raises(BadRequest, match=r"stream_options|include_usage"):
        parse(stream=True, stream_options=options)


def test_another_model_is_not_found() -> None:
    with pytest.raises(ModelNotFound) as caught:
        parse(model=CANARY)
    assert caught.value.status == 404
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b"\xff", b'{"a":NaN}', b'{"model":"\\ud800"}', b"[" * 100_000]
)
def test_bodies_that_are_no_object(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_chat(body, BOUNDS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*ChatRequest.__slots__, "model", "n", "tools", "stream_options", "response_format"])


@given(st.binary())
def test_bytes_are_a_request_or_an_error_of_the_tree(body: bytes) -> None:
    with pytest.raises(TacitaError):
        parse_chat(body, BOUNDS)


@given(st.dictionaries(names, json_values))
def test_objects_are_a_request_or_an_error_of_the_tree(fields: dict[str, Any]) -> None:
    try:
        request = parse(**fields)
    except NodeError:
        return
    assert 1 <= request.max_tokens <= BOUNDS.answer_tokens
    assert 1 <= len(request.messages) <= BOUNDS.messages


roles = st.sampled_from(["system", "user", "assistant"])
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.builds(Message, roles, texts), min_size=1, max_size=4), st.booleans())
def test_messages_come_through_unchanged(messages: list[Message], ascii_only: bool) -> None:
    document = {"model": "m", "messages": [{"role": m.role, "content": m.content} for m in messages]}
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    assert parse_chat(body, BOUNDS).messages == tuple(messages)
