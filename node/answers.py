"""What the node says, in the OpenAI API's documents: completions, chunks, models, errors.

Ids are random and fresh for each answer; nothing about the engine (its build, the
path of the weights, how fast it was) is repeated to the client.
"""

import json
from dataclasses import dataclass
from typing import Any

from node.errors import NodeError
from tacita.errors import TacitaError

__all__ = ["Answer", "Usage", "error_document", "model_list"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one exchange; `cached_tokens` is how many of the prompt came from another one: none, ever."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def document(self) -> dict[str, Any]:
        """Return the `usage` object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer's identity, and its documents as JSON text.

    `created` is in seconds since 1970. With `include_usage` every chunk has a `usage` member,
    null in all but the one that `usage_chunk` returns.
    """

    identifier: str
    created: int
    model: str
    include_usage: bool = False

    def whole(self, text: str, finish_reason: str, usage: Usage) -> str:
        """Return the `chat.completion` object."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        return _json({**self._head("chat.completion"), "choices": [choice], "usage": usage.document()})

    def first_chunk(self) -> str:
        """Return the `chat.completion.chunk` that says who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def text_chunk(self, text: str) -> str:
        """Return the chunk that adds `text`."""
        return self._chunk({"content": text})

    def last_chunk(self, finish_reason: str) -> str:
        """Return the chunk that says why the answer ended."""
        return self._chunk({}, finish_reason)

    def usage_chunk(self, usage: Usage) -> str:
        """Return the chunk without a choice that follows the last one if usage was asked for."""
        return _json({**self._head("chat.completion.chunk"), "choices": [], "usage": usage.document()})

    def _chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        return _json({**chunk, "usage": None} if self.include_usage else chunk)

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.identifier, "object": kind, "created": self.created, "model": self.model}


def model_list(model: str, created: int) -> str:
    """Return the answer to GET /v1/models."""
    entry = {"id": model, "object": "model", "created": created, "owned_by": "tacita"}
    return _json({"object": "list", "data": [entry]})


def error_document(error: TacitaError) -> str:
    """Return `error` in the shape that OpenAI clients read."""
    kind, param, code = NodeError.error_type, None, None
    if isinstance(error, NodeError):
        kind, param, code = error.error_type, error.param, error.code
    return _json({"error": {"message": str(error), "type": kind, "param": param, "code": code}})


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
