"""Questions to a model that speaks the OpenAI protocol, through a session: text in, text as it is made."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from tacita.bhttp import RequestHead
from tacita.client.errors import AnswerTruncated
from tacita.client.session import Answer, Session
from tacita.errors import DecodeError
from tacita.net.urls import split
from tacita.wire import sse

__all__ = ["AnswerMalformed", "Message", "TargetFailed", "stream"]

Message = Mapping[str, str]


class AnswerMalformed(DecodeError):
    """The target's stream is not one of chat completions."""


class TargetFailed(AnswerTruncated):
    """The target says in the middle of its stream that it cannot go on."""


async def stream(
    session: Session, model: str, messages: Sequence[Message], *, max_tokens: int | None = None
) -> AsyncGenerator[str]:
    """Send a conversation to `model` for one token; yield the answer's text as it arrives.

    Raises:
        AnswerMalformed: the target does not speak the protocol.
        AnswerTruncated: the stream ended without its last event.
        TargetFailed: the target ended it with an error.
        TacitaError: as `Session.send` and `Answer.pieces`.
    """
    request: dict[str, Any] = {"model": model, "messages": list(messages), "stream": True}
    if max_tokens is not None:
        request["max_tokens"] = max_tokens
    content = json.dumps(request, separators=(",", ":")).encode()
    async with session.send(_head(session.target, len(content)), content) as answer:
        _require_stream(answer)
        decoder = sse.EventDecoder()
        done = False
        async with aclosing(answer.pieces()) as pieces:
            try:
                # To the end of the answer, so that the relay sees it end, and not somebody leave.
                async for piece in pieces:
                    for event in [] if done else decoder.feed(piece):
                        done = done or event == sse.DONE
                        if not done and (text := _text(event)):
                            yield text
            except AnswerTruncated:
                if not done:
                    raise
    if not done:
        raise AnswerTruncated("The answer ended without its last event; ask again for the rest.")


def _head(target: str, length: int) -> RequestHead:
    origin, base = split(target)
    scheme, _, authority = origin.partition("://")
    return RequestHead(
        b"POST",
        scheme.encode(),
        authority.encode(),
        f"{base.rstrip('/')}/v1/chat/completions".encode(),
        (
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
            (b"accept", sse.MEDIA_TYPE.encode()),
        ),
    )


def _require_stream(answer: Answer) -> None:
    types = [value for name, value in answer.fields if name == b"content-type"]
    media_type = types[0].partition(b";")[0].strip().lower() if len(types) == 1 else b""
    if answer.status != 200 or media_type != sse.MEDIA_TYPE.encode():
        raise AnswerMalformed("The target did not answer with a stream of events; is it a chat model?")


def _text(event: str) -> str:
    try:
        document = json.loads(event)
        if "error" in document:
            raise TargetFailed("The target failed in the middle of its answer; ask again for the rest.")
        choices = document["choices"]
        text = choices[0]["delta"].get("content") if choices else ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise AnswerMalformed("The target's stream is not one of chat completions.") from None
    # JSON can spell halves of a character, which no text holds.
    return text.encode(errors="replace").decode() if isinstance(text, str) else ""
