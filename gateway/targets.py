"""The servers that requests may be for: an exact allow-list of origins, and the way to each.

Default deny. What is compared is scheme, host and port as the client wrote them; what is
connected to is what the operator configured, whatever DNS says about the name inside.
Redirects are passed back to the client, never followed.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.config import Limits, Target
from gateway.errors import TargetNotAllowed
from tacita.bhttp import RequestHead
from tacita.net import tls
from tacita.net.upstream import Upstream

__all__ = ["Route", "Routes", "open_routes"]


class Route:
    """One allowed origin: its pool of connections, and whether it costs a token."""

    def __init__(self, target: Target, upstream: Upstream) -> None:
        self.costs_token = target.token
        self.upstream = upstream


class Routes:
    """Finds the route for a request."""

    def __init__(self, routes: Mapping[bytes, Route]) -> None:
        self._routes = routes

    def find(self, head: RequestHead) -> Route:
        """Return the route to `head`'s origin.

        Raises:
            TargetNotAllowed: the operator has not listed this origin.
        """
        route = self._routes.get(_origin(head))
        if route is None:
            raise TargetNotAllowed(
                "This gateway does not forward to that origin; ask its operator which it does."
            )
        return route


def _origin(head: RequestHead) -> bytes:
    """Scheme and host are case-insensitive, and a default port says nothing (RFC 9110, Section 4.2.3)."""
    scheme, authority = head.scheme.lower(), head.authority.lower()
    default = {b"http": b":80", b"https": b":443"}.get(scheme)
    if default is not None:
        authority = authority.removesuffix(default)
    return scheme + b"://" + authority


@asynccontextmanager
async def open_routes(targets: Iterable[Target], limits: Limits, seconds: int) -> AsyncIterator[Routes]:
    """Open a pool for each target, close them on leaving. `seconds` bounds each pause of an answer.

    Raises:
        ConfigError: the system's TLS roots cannot be loaded.
    """
    async with AsyncExitStack() as stack:
        routes = {}
        context = tls.client_context()
        for target in targets:
            upstream = Upstream(
                target.reached_at,
                unix=target.unix,
                tls=context,
                connections=target.connections,
                connect_seconds=limits.connect_seconds,
                read_seconds=seconds,
            )
            await stack.enter_async_context(upstream)
            routes[target.origin.encode()] = Route(target, upstream)
        yield Routes(routes)
