"""The two documents that the gateway publishes: its key configurations and its challenge.

Both are the same bytes for everybody, and clients read them through a mirror. No copy of the key
configurations outlives the epoch that they are of.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from aiohttp import web

from gateway.config import TokenBudget
from gateway.keys import Shown
from tacita.net.documents import Document
from tacita.ohttp import KeyConfig, media
from tacita.ohttp.keyconfig import encode_list
from tacita.privacypass.challenge import TokenChallenge
from tacita.service.documents import respond
from tacita.wire import base64url

__all__ = ["KeysEndpoint", "challenge_document", "keys_document"]


def keys_document(configs: Iterable[KeyConfig], max_age: int) -> Document:
    """Return the key configurations, preferred first (RFC 9458, Section 3.2)."""
    return Document(encode_list(configs), media.KEYS, max_age)


class KeysEndpoint:
    """Serves the configurations of `keys`, to be kept `max_age` seconds, or until the boundary."""

    def __init__(
        self, keys: Callable[[], Shown], max_age: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._max_age = max_age
        self._clock = clock
        self._written: tuple[tuple[KeyConfig, ...], Document] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        """Answer GET and HEAD; 304 where the client has these very bytes."""
        shown = self._keys()
        if self._written is None or self._written[0] is not shown.published:
            self._written = shown.published, keys_document(shown.published, self._max_age)
        # Of the epoch that is shown, should its turn be late: nobody keeps what is out of date.
        age = int(max(0.0, min(self._max_age, shown.until - self._clock())))
        return respond(request, replace(self._written[1], max_age=age))


def challenge_document(challenge: TokenChallenge, budget: TokenBudget, max_age: int) -> Document:
    """Return the one challenge that tokens are for, and what one of them buys."""
    document = {
        "challenge": base64url.encode(challenge.encode()),
        "token": {
            "request_bytes": budget.request_bytes,
            "response_bytes": budget.response_bytes,
            "seconds": budget.seconds,
        },
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    return Document(body, "application/json", max_age)
