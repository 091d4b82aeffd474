"""What the relay does for one gateway under one table of its configuration: forward, mirror, wait to be let.

A gateway opts in before anything is forwarded to it: at the place where its key configurations are to
be found there have been some (RFC 9540), and, where the operator asks for it, a list of purposes with
the right one in it. A server that merely has a URL gets two GET requests now and then, and no more.

A leg that another has taken the place of is retired: what is under way on it ends there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from aiohttp import web

from relay.config import GatewayConfig, split_url
from relay.credentials import Credentials
from relay.direct import DirectUpstream
from relay.document import DOCUMENTS, PURPOSES, allows, are_keys
from relay.errors import NotOptedIn
from relay.fingerprints import Fingerprints
from relay.forward import Forwarder
from relay.meters import Meters
from relay.mirror import Mirror
from tacita.net.message import Request
from tacita.net.upstream import Upstream

__all__ = ["Leg", "Report"]

Serve = Callable[[web.Request], Awaitable[web.Response]]

Report = Callable[["Leg", str, str], None]
"""Told of the leg, a document's name, and how the look at it ended, where that is another than before."""

_PURPOSES = "allowed-purposes"

_LOOK_SECONDS = 0.2
"""How often a retired leg is looked at. Longer than a request that was just handed to it takes to begin."""


class Leg:
    """The way to the gateway of `config`, with what it wants to see."""

    def __init__(
        self, config: GatewayConfig, credentials: Credentials, meters: Meters, report: Report
    ) -> None:
        self.config = config
        self.credentials = credentials
        self._meters = meters
        origin, _ = split_url(config.url)
        self._upstream = DirectUpstream(origin, tls=credentials.context, limits=config.limits)
        self._upstreams: list[Upstream] = []
        self.mirrors: dict[str, Mirror] = {}
        for name, url, query, media_type, check in _documents(config):
            # What is the gateway's is shown to the gateway.
            to_gateway = split_url(url)[0] == origin
            upstream = Upstream(
                split_url(url)[0],
                tls=credentials.context if to_gateway else credentials.public,
                # A pool of its own: a refresh never waits for clients' requests.
                connections=1,
                connect_seconds=config.limits.connect_seconds,
            )
            self._upstreams.append(upstream)
            self.mirrors[name] = Mirror(
                upstream,
                split_url(url)[1] + query,
                media_type,
                config.mirror,
                count=meters.fetches.inc,
                report=partial(report, self, name),
                check=check,
                fields=credentials.fields if to_gateway else (),
            )
        page = Fingerprints(config.name, self.mirrors)
        self.served: dict[str, Serve] = {name: self.mirrors[name].handle for name in DOCUMENTS}
        """What there is to GET, by its name below the gateway's."""
        self.served["fingerprints"] = page.handle
        self.forwarder = Forwarder(self._upstream, config, credentials.fields, meters)
        self._opted_in = False
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    def _has_opted_in(self) -> bool:
        """Whether the gateway has shown, once, that it wants to be one."""
        self._opted_in = all(self.mirrors[name].seen for name in ("keys", _PURPOSES) if name in self.mirrors)
        return self._opted_in

    @property
    def complete(self) -> bool:
        """Whether everything that is fetched has been there."""
        return all(mirror.seen for mirror in self.mirrors.values())

    def adopt(self, other: "Leg") -> None:
        """Begin with the copies of `other`, which leads to the same places."""
        for name, mirror in self.mirrors.items():
            mirror.adopt(other.mirrors[name])

    def same_places(self, other: "Leg") -> bool:
        """Whether what was seen at the end of `other` would be seen at the end of this one."""
        return self._places() == other._places()

    def _places(self) -> tuple[object, ...]:
        config = self.config
        return (
            config.url,
            config.challenge_url,
            config.issuer_directory_url,
            config.allowed_purposes,
            config.tls,
            config.bearer,
            self.credentials.digest,
        )

    def handle(self, request: Request) -> Coroutine[Any, Any, None] | None:
        """Forward a request, if the gateway wants any. Raises `NotOptedIn`; otherwise as `Forwarder`."""
        if not (self._opted_in or self._has_opted_in()):
            self._meters.exchange(NotOptedIn.result, 0, 0, 0.0)
            raise NotOptedIn(
                "The gateway has not opted in: it has not shown its key configurations yet. Try again later."
            )
        return self.forwarder.handle(request)

    async def open(self) -> None:
        """Begin."""
        for upstream in (self._upstream, *self._upstreams):
            await self._stack.enter_async_context(upstream)
        self._tasks = [asyncio.create_task(mirror.keep()) for mirror in self.mirrors.values()]

    async def retire(self) -> None:
        """Fetch nothing more, and close once nothing is under way: after `exchange_seconds` at the latest."""
        await self._stop_fetching()
        busy = True
        while busy:
            busy = bool(self.forwarder.under_way)
            await asyncio.sleep(_LOOK_SECONDS)
            busy = busy or bool(self.forwarder.under_way)
        await self.close()

    async def close(self) -> None:
        """End; what is under way breaks off."""
        await self._stop_fetching()
        await self._stack.aclose()

    async def _stop_fetching(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _documents(config: GatewayConfig) -> Iterator[tuple[str, str, str, str, Callable[[bytes], bool]]]:
    """Yield name, URL, query, media type and check of everything that is fetched."""
    urls = {
        "keys": config.url,
        "challenge": config.challenge_url,
        "issuer-directory": config.issuer_directory_url,
    }
    for name, media_type in DOCUMENTS.items():
        yield name, urls[name], "", media_type, are_keys if name == "keys" else _anything
    if config.allowed_purposes:
        check = partial(allows, purposes=config.allowed_purposes)
        yield _PURPOSES, config.url, "?allowed_purposes", PURPOSES, check


def _anything(_body: bytes) -> bool:
    return True
