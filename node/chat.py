"""A chat completion request: untrusted JSON into a bounded, frozen value.

Follows the OpenAI API, "Create chat completion", for text. What would change the
answer and is not done here (tools, images, audio, several choices, log
probabilities, structured output, stored completions) is refused by name. Every
other field that is not ours is ignored, as clients send many that do not matter
(`user`, `metadata`, `service_tier`, …) and an engine's own switches must not be
reachable from outside: only the fields of `ChatRequest` ever get to the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from node.errors import BadRequest, ModelNotFound, Unsupported

__all__ = ["ROLES", "ChatBounds", "ChatRequest", "Message", "parse_chat"]

ROLES = frozenset({"system", "user", "assistant"})

_STOPS = 4
"""The OpenAI API takes up to four stop sequences."""
_STOP_CHARACTERS = 256

# Field -> the values that ask for nothing. Anything else is refused with the field's name.
_REFUSED: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "audio": (),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "prediction": (),
    "web_search_options": (),
    "store": (False,),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: `role` is one of `ROLES`, `content` plain text."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked of the model. `None` leaves a sampling value to the engine."""

    messages: tuple[Message, ...]
    max_tokens: int
    stream: bool = False
    include_usage: bool = False
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatBounds:
    """The model that is served, the most messages, the most tokens of an answer (clamped, not refused)."""

    model: str
    messages: int
    answer_tokens: int


def parse_chat(body: bytes, bounds: ChatBounds) -> ChatRequest:
    """Return the request in `body`.

    Raises:
        BadRequest: it is not JSON, or a field is missing, of the wrong type or out of range;
            `Unsupported` and `ModelNotFound` are kinds of it.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object.")
    # In the OpenAI API a null is the same as a field that is not there.
    fields = {name: value for name, value in document.items() if value is not None}
    _check_model(fields, bounds)
    for name, harmless in _REFUSED.items():
        # The types are compared too, since True == 1.
        if name in fields and not any(type(fields[name]) is type(v) and fields[name] == v for v in harmless):
            raise Unsupported(f"This node does not support {name}; leave it out.", param=name)
    return ChatRequest(
        messages=_messages(fields, bounds),
        max_tokens=_max_tokens(fields, bounds),
        stream=_boolean(fields, "stream"),
        include_usage=_include_usage(fields),
        temperature=_number(fields, "temperature", 0, 2),
        top_p=_number(fields, "top_p", 0, 1),
        frequency_penalty=_number(fields, "frequency_penalty", -2, 2),
        presence_penalty=_number(fields, "presence_penalty", -2, 2),
        seed=_integer(fields, "seed", -(2**63), 2**63 - 1),
        stop=_stop(fields),
    )


def _check_model(fields: Mapping[str, Any], bounds: ChatBounds) -> None:
    model = fields.get("model")
    if not isinstance(model, str):
        raise BadRequest("model is missing or not a string; GET /v1/models lists the names.", param="model")
    if model != bounds.model:
        raise ModelNotFound(
            "This node does not serve that model; GET /v1/models lists the names.", param="model"
        )


def _messages(fields: Mapping[str, Any], bounds: ChatBounds) -> tuple[Message, ...]:
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages is not a list with at least one message.", param="messages")
    if len(messages) > bounds.messages:
        raise BadRequest(f"messages has more than {bounds.messages} entries.", param="messages")
    return tuple(_message(message) for message in messages)


def _message(message: object) -> Message:
    if not isinstance(message, dict):
        raise BadRequest("A message is not an object.", param="messages")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadRequest("The role of a message is not one of system, user, assistant.", param="messages")
    if message.get("tool_calls") or message.get("function_call") or message.get("audio"):
        raise Unsupported("This node does not support tool calls or audio in messages.", param="messages")
    return Message(role, _content(message.get("content")))


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise BadRequest("The content of a message is not a string or a list of parts.", param="messages")
    texts = []
    for part in content:
        if not isinstance(part, dict):
            raise BadRequest("A part of a message's content is not an object.", param="messages")
        if part.get("type") != "text":
            raise Unsupported("This node takes only text parts in a message's content.", param="messages")
        text = part.get("text")
        if not isinstance(text, str):
            raise BadRequest("A text part of a message's content has no text.", param="messages")
        texts.append(text)
    return "\n".join(texts)


def _max_tokens(fields: Mapping[str, Any], bounds: ChatBounds) -> int:
    # max_completion_tokens is the newer name of the same bound.
    for name in ("max_completion_tokens", "max_tokens"):
        asked = _integer(fields, name, 1, 2**63 - 1)
        if asked is not None:
            return min(asked, bounds.answer_tokens)
    return bounds.answer_tokens


def _include_usage(fields: Mapping[str, Any]) -> bool:
    options = fields.get("stream_options")
    if options is None:
        return False
    if not _boolean(fields, "stream"):
        raise BadRequest("stream_options is only for requests with stream.", param="stream_options")
    if not isinstance(options, dict):
        raise BadRequest("stream_options is not an object.", param="stream_options")
    return _boolean({k: v for k, v in options.items() if v is not None}, "include_usage", "stream_options")


def _stop(fields: Mapping[str, Any]) -> tuple[str, ...]:
    stop = fields.get("stop", [])
    sequences = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(sequences, list)
        or len(sequences) > _STOPS
        or not all(isinstance(s, str) and 0 < len(s) <= _STOP_CHARACTERS for s in sequences)
    ):
        raise BadRequest(
            f"stop is not a string or up to {_STOPS} strings of 1 to {_STOP_CHARACTERS} characters.",
            param="stop",
        )
    return tuple(sequences)


def _boolean(fields: Mapping[str, Any], name: str, param: str | None = None) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} is not true or false.", param=param or name)
    return value


def _integer(fields: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not int or not low <= value <= high:
        raise BadRequest(f"{name} is not a whole number in its range.", param=name)
    return value


def _number(fields: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) not in {int, float} or not low <= value <= high:
        raise BadRequest(f"{name} is not a number from {low} to {high}.", param=name)
    return float(value)
