"""Refusals in words: what a status outside or inside the encapsulation means to the person who asked.

Outside, the relay speaks, or the gateway through it, and nobody can prove who; inside, the
gateway or the target, authenticated. What a refusal says in its own words is kept apart from
the sentence, shortened, and without characters that could steer a terminal.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tacita.client.errors import AnswerRefused, AnswerTruncated, KeyRefused, OuterRefusal

__all__ = ["inside", "outside"]

_LONGEST = 4_096

_OUTER = {
    413: "The request is longer than the relay or the gateway takes; shorten it.",
    429: "The relay wants fewer requests from this address; wait a little.",
    501: "The relay does not pass answers on as they come; use another relay.",
    502: "The relay cannot reach the gateway; try again later.",
    503: "The relay or the gateway is not ready; try again later.",
    504: "The gateway did not answer the relay in time; try again later.",
}
_INNER = {
    401: "The gateway did not take the token: it was spent before, or its key has had its time.",
    403: "The gateway or the target does not allow this request.",
    500: "The target failed; try again later.",
    502: "The gateway could not get an answer from the target; try again later.",
    503: "The gateway or the target is busy; try again later.",
    504: "The target took too long; try again later.",
}


def outside(status: int) -> OuterRefusal:
    """Return the error for an answer that is not an encapsulated response."""
    if status == 422:
        return KeyRefused("The relay says that the gateway could not open the message; try again later.")
    unknown = "The relay did not answer with an encapsulated response; check the endpoints."
    return OuterRefusal(_OUTER.get(status, unknown))


async def inside(status: int, pieces: AsyncGenerator[bytes]) -> AnswerRefused:
    """Return the error for an answer of `status` whose content comes in `pieces`.

    Raises:
        ResponseRefused: something in it is not the gateway's.
    """
    body = b""
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                body += piece
                if len(body) > _LONGEST:
                    break
    except AnswerTruncated:
        pass
    return AnswerRefused(
        _INNER.get(status, "The gateway or the target refused the request."), status, _detail(body)
    )


def _detail(body: bytes) -> str:
    """Return what a problem document (RFC 9457) or an OpenAI error says; empty for anything else."""
    try:
        document: Any = json.loads(body)
        said = document["error"]["message"] if "error" in document else document["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    line = " ".join(said.split()) if isinstance(said, str) else ""
    return line if line.isprintable() else ""
