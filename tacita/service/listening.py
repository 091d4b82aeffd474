"""A role's public port: the fast lane where the role has handlers for it, aiohttp behind it.

    public = Public(service)
    await public.open(tls)
    ...
    public.stop_accepting()
    await public.drain(seconds)
    await public.close()

The two ways in share one socket, one set of handlers and one drain.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from tacita.errors import ConfigError, TacitaError
from tacita.net import proxied
from tacita.net.carried import carried, gated
from tacita.net.gate import Gate, Visit
from tacita.net.lane.lane import Lane
from tacita.net.lane.limits import Limits
from tacita.net.message import Routes
from tacita.service.config import Listen
from tacita.service.connections import KEEP_ALIVE_SECONDS, connections
from tacita.service.drain import Drain
from tacita.service.logs import Logger
from tacita.service.problems import renderer

__all__ = ["Public", "app_runner", "listen", "operators_port", "require_shareable", "serving"]

_CANCEL_SECONDS = 1.0

_BACKLOG = 1024


class Public:
    """Serves `app`, and on the paths in `lane` their handlers, whichever way a request comes in.

    `gate` stands before both; it wants a lane, by which every connection comes.
    """

    def __init__(
        self,
        app: web.Application,
        lane: Routes,
        log: Logger,
        limits: Limits | None = None,
        gate: Gate | None = None,
    ) -> None:
        if isinstance(lane, Mapping):
            for path, handler in lane.items():
                app.router.add_post(path, carried(handler))
        self._drain = Drain(app)
        if gate is not None:
            # Behind the application's own, which answers for what is raised.
            app.middlewares.append(gated(self._visit))
        self._gate = gate
        self._runner = app_runner(app)
        self._handlers = lane
        self._log = log
        self._limits = limits
        self._lane: Lane | None = None
        self._server: asyncio.Server | proxied.ProxiedListener | None = None

    async def open(self, address: Listen, context: ssl.SSLContext | None, *, shared: bool = False) -> None:
        """Set the application up and accept connections; `shared` with other processes of the role.

        Raises:
            TacitaError: the address cannot be had.
        """
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        factory: Callable[[], asyncio.Protocol] = connections(server)
        if self._handlers:
            factory = self._lane = Lane(
                self._handlers,
                factory,
                renderer(self._log),
                self._limits,
                others=lambda: len(server.connections),
                gate=self._gate,
            )
        self._server = await listen(factory, address, context, shared=shared)

    def _visit(self, transport: asyncio.BaseTransport | None) -> Visit | None:
        return self._lane.visit(transport) if self._lane is not None else None

    @property
    def port(self) -> int:
        """The TCP port, which the system has chosen where the address says 0."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop_accepting(self) -> None:
        """Take no further connections."""
        if self._server is not None:
            self._server.close()

    async def drain(self, seconds: float) -> None:
        """Wait until no request is under way, at most for `seconds`; connections end after their answer."""
        lane = self._lane.drain(seconds) if self._lane is not None else asyncio.sleep(0)
        await asyncio.gather(self._drain.wait(seconds), lane)

    async def close(self) -> None:
        """Close what is left, and the application."""
        self.stop_accepting()
        if isinstance(self._server, proxied.ProxiedListener):
            await self._server.abandon()
        if self._lane is not None:
            await self._lane.close(_CANCEL_SECONDS)
        await self._runner.cleanup()


def app_runner(app: web.Application) -> web.AppRunner:
    """Return what serves a role's application behind the lane."""
    return web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        # A client that goes away ends its handler, which in turn lets go of the upstream.
        handler_cancellation=True,
        # `Drain` has waited by then; this is for handlers to see that they are cancelled.
        shutdown_timeout=_CANCEL_SECONDS,
        auto_decompress=False,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )


async def listen(
    factory: Callable[[], asyncio.Protocol],
    address: Listen,
    context: ssl.SSLContext | None,
    *,
    shared: bool = False,
) -> asyncio.Server | proxied.ProxiedListener:
    """Accept connections at `address` for `factory`; `shared`: as one of several processes.

    Raises:
        TacitaError: the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    try:
        if address.unix is not None:
            return await loop.create_unix_server(factory, str(address.unix), ssl=context, backlog=_BACKLOG)
        if address.proxy_protocol:
            return await proxied.listen(
                address.host,
                address.port,
                factory.connection_from if isinstance(factory, Lane) else lambda _source: factory(),
                address.networks(),
                ssl=context,
                backlog=_BACKLOG,
                shared=shared,
            )
        return await loop.create_server(
            factory,
            address.host,
            address.port,
            ssl=context,
            backlog=_BACKLOG,
            reuse_port=shared or None,
        )
    except OSError as error:
        raise _cannot_listen(address, error) from None


async def require_shareable(address: Listen) -> None:
    """Refuse an address that several processes of ours cannot share, or that another program has.

    Sharing cannot be refused later: to the kernel a second gateway is a further worker of the first.

    Raises:
        ConfigError, TacitaError
    """
    if address.unix is not None or not address.port:
        raise ConfigError("Several workers share one TCP port; give [listen] a port, and no unix socket.")
    loop = asyncio.get_running_loop()
    try:
        probe = await loop.create_server(
            asyncio.Protocol, address.host, address.port, start_serving=False, reuse_port=False
        )
    except OSError as error:
        raise _cannot_listen(address, error) from None
    probe.close()
    await probe.wait_closed()


def _cannot_listen(address: Listen, error: OSError) -> TacitaError:
    where = address.unix or f"{address.host}:{address.port}"
    return TacitaError(f"Cannot listen on {where}: {error.strerror}.")


@asynccontextmanager
async def operators_port(
    app: web.Application, address: Listen, context: ssl.SSLContext | None
) -> AsyncIterator[None]:
    """Serve `app` at `address`, without what the public port needs. Raises `TacitaError` as `listen`."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        assert runner.server is not None
        server = await listen(connections(runner.server), address, context)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(
    public: Public, address: Listen | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[Public]:
    """Keep `public` open, at a port that the system chooses if no `address` is given (for tests)."""
    try:
        await public.open(address or Listen(), context)
        yield public
    finally:
        await public.close()
