"""What stands inside a request: a chat completion of a given length, the same for every request."""

import json
from dataclasses import dataclass

from tacita.bhttp import RequestHead
from tacita.net.urls import split
from tacita.wire import sse

__all__ = ["Content"]


@dataclass(frozen=True, slots=True)
class Content:
    """A request to `model` at `target` (a URL) with a question of `size` bytes.

    `max_tokens` bounds what a real model would do for it.
    """

    target: str
    model: str
    size: int
    max_tokens: int

    def head_and_body(self, *, streamed: bool) -> tuple[RequestHead, bytes]:
        """Return the request without its token; with `streamed` the answer comes in events."""
        asked = {
            "model": self.model,
            "messages": [{"role": "user", "content": "q" * self.size}],
            "stream": streamed,
            "max_tokens": self.max_tokens,
        }
        body = json.dumps(asked, separators=(",", ":")).encode()
        return self.head(len(body), sse.MEDIA_TYPE if streamed else "application/json"), body

    def head(self, length: int, accept: str) -> RequestHead:
        """Return the head of a request with `length` bytes of content."""
        origin, base = split(self.target)
        scheme, _, authority = origin.partition("://")
        fields = (
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
            (b"accept", accept.encode()),
        )
        path = f"{base.rstrip('/')}/v1/chat/completions".encode()
        return RequestHead(b"POST", scheme.encode(), authority.encode(), path, fields)
