"""The two documents that the gateway publishes: its key configurations and its challenge.

Both are the same bytes for everybody, and clients read them through a mirror.
"""

import json

from gateway.config import TokenBudget
from tacita.net.documents import Document
from tacita.ohttp import GatewayKeys, media
from tacita.ohttp.keyconfig import encode_list
from tacita.privacypass.challenge import TokenChallenge
from tacita.wire import base64url

__all__ = ["challenge_document", "keys_document"]


def keys_document(keys: GatewayKeys, max_age: int) -> Document:
    """Return the key configurations, preferred first (RFC 9458, Section 3.2)."""
    return Document(encode_list(key.config for key in keys), media.KEYS, max_age)


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
