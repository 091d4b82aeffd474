"""What the relay says about itself, for programs to read: a statement of policy (docs/relay-policy.md).

It follows from the configuration, so that it cannot say another thing than what is done. What it says of
the program (what it sees, what it keeps) is held by tests. It is the same for everybody who asks.
"""

import json
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web

from relay.config import AddressLimits, CoverConfig, GatewayConfig, RelayConfig
from relay.document import DOCUMENTS
from tacita.net.documents import Document
from tacita.service.documents import respond

__all__ = ["PATHS", "Statement", "statement"]

PATHS = ("/", "/.well-known/tacita-relay")

_FORMAT = 1
"""Goes up when a member changes its meaning or goes away; new ones may come at any time."""

_MAX_AGE = 300

_KEPT = {"addresses": False, "requests": False, "answers": False, "logs_of_requests": False, "cookies": False}
"""Nothing of a request outlives it (tests/privacy)."""

_SEEN = ["address", "gateway", "size", "time"]
"""What no relay can help to see while a request is under way."""


class Statement:
    """The statement in force, as a resource."""

    def __init__(self, config: RelayConfig) -> None:
        self.update(config)

    def update(self, config: RelayConfig) -> None:
        """Speak of `config` from now on."""
        body = json.dumps(statement(config), indent=2, ensure_ascii=False).encode() + b"\n"
        self._document = Document(body, "application/json", _MAX_AGE)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a GET or HEAD."""
        return respond(request, self._document)


def statement(config: RelayConfig) -> dict[str, Any]:
    """Return the statement that follows from `config`, as JSON takes it."""
    said = msgspec.to_builtins(config.policy)
    return {
        "format": _FORMAT,
        "software": {"name": "tacita", "version": version("tacita")},
        **{name: value for name, value in said.items() if value},
        "sees": _SEEN,
        "keeps": _KEPT,
        "address_limits": _address_limits(config.limits.per_address),
        "gateways": [_gateway(gateway) for gateway in config.gateways],
    }


def _gateway(gateway: GatewayConfig) -> dict[str, Any]:
    limits, mirror = gateway.limits, gateway.mirror
    told: dict[str, Any] = {
        "name": gateway.name,
        "url": gateway.url,
        "requests": None if gateway.mirror_only else f"/{gateway.name}",
        "documents": {document: f"/{gateway.name}/{document}" for document in DOCUMENTS},
        "fingerprints": f"/{gateway.name}/fingerprints",
        "documents_served_for_seconds": mirror.stale_seconds,
    }
    if not gateway.mirror_only:
        told["incremental"] = gateway.incremental
        told["cover"] = _cover(gateway.cover)
        told["limits"] = {
            "request_bytes": limits.request_bytes,
            "response_bytes": limits.response_bytes,
            "exchange_seconds": limits.exchange_seconds,
            "piece_seconds": limits.piece_seconds,
        }
        if gateway.allowed_purposes:
            told["allowed_purposes"] = list(gateway.allowed_purposes)
    return told


def _cover(cover: CoverConfig) -> dict[str, Any]:
    if cover.policy == "none":
        return {"policy": "none"}
    group = {"group": cover.group} if cover.policy == "batch" else {}
    return {"policy": cover.policy, "seconds": cover.seconds, **group}


def _address_limits(limits: AddressLimits) -> dict[str, Any] | None:
    # In memory, under a key that turns over: the one thing that outlives a request, and it names nobody.
    if not limits.enabled:
        return None
    of_the_front = {"enabled", "trusted_hops", "trusted_field"}
    told: dict[str, Any] = msgspec.to_builtins(limits)
    return {name: value for name, value in told.items() if name not in of_the_front}
