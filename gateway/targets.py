"""The servers that requests may be for: an exact allow-list of origins, and the way to each.

Default deny. What is compared is scheme, host and port as the client wrote them; what is
connected to is what the operator configured, whatever DNS says about the name inside. Where
that is the origin's own name, the address that it has in the moment of connecting must be a
public one. Redirects are passed back to the client, never followed.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.backends import Backend, Backends
from gateway.config import Limits, Target, TokenBudget
from gateway.errors import TargetNotAllowed
from tacita.bhttp import RequestHead
from tacita.net import tls
from tacita.net.dial import anywhere, public_only
from tacita.net.upstream import Upstream

__all__ = ["Route", "Routes", "open_routes"]


class Route:
    """One allowed origin: the servers behind it, whether it costs a token, how long its answers may be."""

    def __init__(self, target: Target, upstreams: Sequence[Upstream], budget: TokenBudget) -> None:
        self.costs_token = target.token
        self.response_bytes = min(budget.response_bytes, target.response_bytes or budget.response_bytes)
        self.backends = Backends([Backend(upstream) for upstream in upstreams])


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
async def open_routes(
    targets: Iterable[Target], limits: Limits, budget: TokenBudget
) -> AsyncIterator[Routes]:
    """Open the pools of each target, close them on leaving.

    What one token buys in seconds bounds each pause of an answer.

    Raises:
        ConfigError: the system's TLS roots cannot be loaded.
    """
    async with AsyncExitStack() as stack:
        routes = {}
        context = tls.client_context()
        for target in targets:
            upstreams = [
                Upstream(
                    url,
                    unix=target.unix,
                    tls=context,
                    policy=anywhere if target.anywhere else public_only,
                    connections=target.connections,
                    connect_seconds=limits.connect_seconds,
                    read_seconds=budget.seconds,
                )
                for url in target.reached_at
            ]
            for upstream in upstreams:
                await stack.enter_async_context(upstream)
            routes[target.origin.encode()] = Route(target, upstreams, budget)
        yield Routes(routes)
