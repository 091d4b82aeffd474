"""The gateways that the relay knows, by name; they come, go and change while it runs.

Each name is a `Place`, which stays for good, with a leg behind it or none: a client's connection that has
been to a place comes back to it, and finds what is there now. A new leg takes a place over

- at once where the place is new, or where everything that could be seen at its end has been seen
  (only limits have changed, say);
- otherwise when it has fetched all documents once: until then the leg before it serves, so that a new
  URL refuses nobody.

Exchanges under way end on the leg on which they began. There is nothing but these places: whatever else
is asked for does not exist.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

from aiohttp import web

from relay.config import GatewayConfig
from relay.credentials import Credentials
from relay.errors import GatewayUnknown
from relay.leg import Leg
from relay.meters import Meters
from tacita.net import tls
from tacita.net.carried import carried
from tacita.net.message import Handler, Request

__all__ = ["Changed", "Place", "Registry", "Seen"]

Seen = Callable[[str, str, str], None]
"""Told of a gateway's name, a document, and how the look at it ended, where that is another than before."""

Changed = Callable[[str, str], None]
"""Told of a gateway's name, and of what has become of it: added, removed, changed, waiting."""

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Place:
    """`/{name}` and what is below it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.leg: Leg | None = None
        self.next: Leg | None = None
        """What takes the place over when it is complete."""
        self.carried = carried(self.handle)

    @property
    def takes_requests(self) -> bool:
        """Whether there is something to be posted to."""
        return self.leg is not None and not self.leg.config.mirror_only

    def handle(self, request: Request) -> Coroutine[Any, Any, None] | None:
        """Forward a request. Raises `GatewayUnknown`; otherwise as `Leg.handle`."""
        leg = self.leg
        if leg is None or leg.config.mirror_only:
            raise GatewayUnknown("There is nothing at this path.")
        return leg.handle(request)


class Registry:
    """The places, from `run` on. `seen` and `changed` are told what is worth a line in the log."""

    def __init__(self, meters: Meters, seen: Seen, changed: Changed) -> None:
        self._meters = meters
        self._seen = seen
        self._changed = changed
        self._public = tls.client_context()
        self._places: dict[str, Place] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._running = False

    # What is asked for

    def find(self, path: str) -> Handler | None:
        """Return what handles `POST {path}` on the fast lane."""
        place = self._places.get(path[1:])
        return place.handle if place is not None and place.takes_requests else None

    def methods(self, path: str) -> Mapping[str, WebHandler]:
        """Return the methods that `path` takes, with what handles them; none: there is nothing there."""
        name, slash, document = path[1:].partition("/")
        place = self._places.get(name)
        if place is None or place.leg is None:
            return {}
        if not slash:
            return {"POST": place.carried} if place.takes_requests else {}
        serve = place.leg.served.get(document)
        return {"GET": serve} if serve is not None else {}

    @property
    def legs(self) -> list[Leg]:
        """The legs in force, in the order of their places."""
        return [place.leg for place in self._places.values() if place.leg is not None]

    # What changes

    async def apply(self, gateways: Iterable[GatewayConfig]) -> None:
        """Have these gateways and no others from now on. Raises `ConfigError`; then nothing has changed."""
        legs = [Leg(config, self._load(config), self._meters, self._reported) for config in gateways]
        wanted = {leg.config.name for leg in legs}
        for place in self._places.values():
            if place.name not in wanted and place.leg is not None:
                self._vacate(place)
        for leg in legs:
            await self._settle(self._places.setdefault(leg.config.name, Place(leg.config.name)), leg)

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Open what there is, and close it in the end (for `cleanup_ctx`)."""
        self._running = True
        for leg in self.legs:
            await leg.open()
        yield
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        for place in self._places.values():
            for open_leg in (place.leg, place.next):
                if open_leg is not None:
                    await open_leg.close()

    def _load(self, config: GatewayConfig) -> Credentials:
        return Credentials.load(config, self._public)

    async def _settle(self, place: Place, leg: Leg) -> None:
        """Put `leg` where it belongs."""
        present = place.leg
        if present is None:
            place.leg = leg
            if self._running:
                await leg.open()
                self._changed(place.name, "added")
            return
        newest = place.next or present
        if newest.same_places(leg) and newest.config == leg.config:
            return
        if present.same_places(leg):
            leg.adopt(present)
        self._drop_next(place)
        await leg.open()
        place.next = leg
        if not self._take_over(place):
            self._changed(place.name, "waiting")

    def _take_over(self, place: Place) -> bool:
        """Let the next leg have its place, if it can."""
        leg, present = place.next, place.leg
        if leg is None or present is None or not leg.complete:
            return False
        place.leg, place.next = leg, None
        self._retire(present)
        self._changed(place.name, "changed")
        return True

    def _vacate(self, place: Place) -> None:
        leg, place.leg = place.leg, None
        assert leg is not None
        self._drop_next(place)
        self._retire(leg)
        self._changed(place.name, "removed")

    def _drop_next(self, place: Place) -> None:
        leg, place.next = place.next, None
        if leg is not None:
            self._retire(leg)

    def _retire(self, leg: Leg) -> None:
        task = asyncio.create_task(self._retired(leg))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    @staticmethod
    async def _retired(leg: Leg) -> None:
        try:
            await leg.retire()
        finally:
            await leg.close()

    def _reported(self, leg: Leg, document: str, result: str) -> None:
        self._seen(leg.config.name, document, result)
        place = self._places.get(leg.config.name)
        if place is not None and place.next is leg:
            self._take_over(place)
