"""Questions to a model that speaks the OpenAI protocol, through a session: text in, text as it is made."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from tacita.bhttp import RequestHead
from tacita.client.errors import AnswerTruncated
from tacita.client.session import Session
from tacita.errors import DecodeError
from tacita.net.urls import split
from tacita.wire import sse

__all__ = ["AnswerMalformed", "Message", "stream"]

Message = Mapping[str, str]


class AnswerMalformed(DecodeError):
    """The target's stream is not one of chat completions."""


async def stream(
    session: Session, model: str, messages: Sequence[Message], *, max_tokens: int | None = None
) -> AsyncGenerator[str]:
    """Send a conversation to `model` for one token; yield the answer's text as it arrives.

    Raises:
        AnswerMalformed: the target does not speak the protocol.
        AnswerTruncated: the stream ended without its last event.
        TacitaError: as `Session.send` and `Answer.pieces`.
    """
    request: dict[str, Any] = {"model": model, "messages": list(messages), "stream": True}
    if max_tokens is not None:
        request["max_tokens"] = max_tokens
    content = json.dumps(request, separators=(",", ":")).encode()
    origin, base = split(session.target)
    scheme, _, authority = origin.partition("://")
    head = RequestHead(
        b"POST",
        scheme.encode(),
        authority.encode(),
        f"{base.rstrip('/')}/v1/chat/completions".encode(),
        (
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"accept", sse.MEDIA_TYPE.encode()),
        ),
    )
    decoder = sse.EventDecoder()
    async with session.send(head, content) as answer, aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            for event in decoder.feed(piece):
                if event == sse.DONE:
                    return
                if text := _text(event):
                    yield text
    raise AnswerTruncated("The answer ended without its last event; ask again for the rest.")


def _text(event: str) -> str:
    try:
        document = json.loads(event)
        choices = document["choices"]
        text = choices[0]["delta"].get("content") if choices else ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise AnswerMalformed("The target's stream is not one of chat completions.") from None
    return text if isinstance(text, str) else ""
