"""Several servers that answer for one target: the least busy of those that can be reached is asked.

Health is what requests meet, there are no probes of our own. A server that could not be reached has
seen nothing of the request, so the next one is asked with it; in every other case a request is
sent once.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from tacita.net.message import Field, Fields
from tacita.net.upstream import Upstream, UpstreamRequest, UpstreamResponse, UpstreamUnreachable

__all__ = ["Backend", "BackendRequest", "Backends"]

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 30.0


class Backend:
    """One server, how much it has to do for us, and until when it is left alone."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.under_way = 0
        self.out_until = -math.inf
        self._out_seconds = 0.0

    def unreachable(self, now: float) -> None:
        """Leave it out, for twice as long as the last time."""
        self._out_seconds = min(max(_FIRST_SECONDS, 2 * self._out_seconds), _LONGEST_SECONDS)
        self.out_until = now + self._out_seconds

    def reached(self) -> None:
        """Take it as healthy."""
        if self._out_seconds:
            self._out_seconds = 0.0
            self.out_until = -math.inf

    def tried(self, now: float) -> None:
        """Let one request find out whether it is back: the others do without it meanwhile."""
        if self._out_seconds:
            self.out_until = now + self._out_seconds


class Backends:
    """The servers of one target, one at least. `random` returns a number from 0 to below 1."""

    def __init__(self, backends: Sequence[Backend], random: Callable[[], float] = random.random) -> None:
        self._all = tuple(backends)
        self._random = random

    def order(self, now: float) -> list[Backend]:
        """Return those to be asked, one after the other: never none, however bad things look."""
        if len(self._all) == 1:
            return [*self._all]
        healthy = [one for one in self._all if one.out_until <= now]
        if not healthy:
            return [min(self._all, key=lambda one: one.out_until)]
        return sorted(healthy, key=lambda one: (one.under_way, self._random()))

    def request(
        self,
        method: str,
        path: str,
        fields: Iterable[Field],
        body: bytes | AsyncIterator[bytes] | None = None,
        *,
        trailers: Callable[[], Fields] | None = None,
    ) -> "BackendRequest":
        """Return a request to be used as an async context manager; see `Upstream.request`."""

        def of(upstream: Upstream) -> UpstreamRequest:
            return upstream.request(method, path, fields, body, trailers=trailers)

        return BackendRequest(self, of)


class BackendRequest:
    """One request to the server that is chosen on entry."""

    __slots__ = ("_backend", "_backends", "_of", "_request")

    def __init__(self, backends: Backends, of: Callable[[Upstream], UpstreamRequest]) -> None:
        self._backends = backends
        self._of = of

    async def __aenter__(self) -> UpstreamResponse:
        now = asyncio.get_running_loop().time()
        for backend in self._backends.order(now):
            request = self._of(backend.upstream)
            backend.tried(now)
            backend.under_way += 1
            try:
                response = await request.__aenter__()
            except UpstreamUnreachable:
                backend.under_way -= 1
                backend.unreachable(now)
            except BaseException:
                backend.under_way -= 1
                raise
            else:
                backend.reached()
                self._backend = backend
                self._request = request
                return response
        raise UpstreamUnreachable

    async def __aexit__(self, *exc: object) -> None:
        self._backend.under_way -= 1
        await self._request.__aexit__(*exc)
