"""The two documents that the gateway publishes: its key configurations and its challenges.

Both are the same bytes for everybody, and clients read them through a mirror. No copy of the key
configurations outlives the epoch that they are of.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from gateway.config import TokenBudget
from gateway.keys import Shown
from gateway.offers import Offer
from tacita.net.documents import Document
from tacita.ohttp import KeyConfig, media
from tacita.ohttp.keyconfig import encode_list
from tacita.privacypass.types import blind_rsa
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


def challenge_document(offers: Sequence[Offer], budget: TokenBudget, max_age: int) -> Document:
    """Return the challenges that tokens are for, preferred first, and what one token buys.

    `challenge` is the one for clients that know a single one, which want tokens of type 0x0002 by
    preference. `challenges` lists all, where that says more.
    """
    listed = [_entry(offer) for offer in offers]
    single = next((offer for offer in offers if offer.kind.number == blind_rsa.TOKEN_TYPE), offers[0])
    document: dict[str, Any] = {
        "challenge": base64url.encode(single.challenge.encode()),
        "token": {
            "request_bytes": budget.request_bytes,
            "response_bytes": budget.response_bytes,
            "seconds": budget.seconds,
        },
    }
    if listed != [{"challenge": document["challenge"]}]:
        document["challenges"] = listed
    body = json.dumps(document, separators=(",", ":")).encode()
    return Document(body, "application/json", max_age)


def _entry(offer: Offer) -> dict[str, Any]:
    entry: dict[str, Any] = {"challenge": base64url.encode(offer.challenge.encode())}
    if offer.rate_limit is not None:
        entry["rate-limit"] = offer.rate_limit
    return entry
