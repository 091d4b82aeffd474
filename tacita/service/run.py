"""The life of a role's process: configuration, start, readiness, drain, exit code.

    def main() -> int:
        return run("relay", RelayConfig, build)

`build` gets the configuration and returns the `Service`. On SIGTERM or SIGINT the
role first says that it is not ready, then stops accepting, lets what is under way
end for `drain_seconds`, and exits with 0.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import uvloop
from aiohttp import web

from tacita.errors import TacitaError
from tacita.net import tls
from tacita.service.admin import create_admin_app
from tacita.service.config import Listen, Struct, load
from tacita.service.drain import Drain
from tacita.service.logs import Logger, tame_libraries
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness

__all__ = ["EXIT_CONFIG", "Service", "missing_extra", "public_runner", "run"]

EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: a supervisor should not restart what cannot be configured."""

_CANCEL_SECONDS = 1.0

C = TypeVar("C", bound=Struct)


@dataclass(frozen=True)
class Service:
    """What a role hands to the shell: its application and what the shell needs around it."""

    app: web.Application
    listen: Listen
    admin: Listen
    log: Logger
    metrics: Metrics
    readiness: Readiness
    drain_seconds: float = 30.0
    drain_notice_seconds: float = 0.0
    """How long to go on accepting after readiness went false, so that a load balancer notices."""
    fatal: "asyncio.Future[None] | None" = None
    """Gets the error of the tree on which the process has to end; it then says so and fails."""
    client_certificate_optional: bool = False
    """Whether clients without a certificate may connect though `listen` has a `tls_client_authority`."""


def run(
    role: str, config_type: type[C], build: Callable[[C], Awaitable[Service]], *, epilog: str | None = None
) -> int:
    """Run `role` until it is told to stop; return the process's exit code. `epilog` ends its help."""
    parser = argparse.ArgumentParser(
        prog=f"tacita-{role}", description=f"Run a Tacita {role}.", epilog=epilog
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the TOML configuration")
    parser.add_argument(
        "--check-config", action="store_true", help="read the configuration, say so, and exit"
    )
    arguments = parser.parse_args()
    try:
        config = load(arguments.config, config_type)
        if arguments.check_config:
            print(f"{arguments.config} is a valid configuration of the {role}.")
            return 0
        uvloop.run(_serve(build(config)))
    except TacitaError as error:
        print(f"tacita-{role}: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return 0


def missing_extra(role: str, error: ModuleNotFoundError) -> int:
    """Say which extra of the distribution `role` was installed without; return the exit code."""
    print(
        f"tacita-{role}: the module {error.name} is missing; run pip install 'tacita[{role}]'.",
        file=sys.stderr,
    )
    return EXIT_CONFIG


async def _serve(building: Awaitable[Service]) -> None:
    service = await building
    tame_libraries(service.log)
    service.log.event("starting", version=version("tacita"))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if service.fatal is not None:
        service.fatal.add_done_callback(lambda _: stop.set())

    admin = web.AppRunner(
        create_admin_app(service.readiness, service.metrics), access_log=None, handle_signals=False
    )
    drain = Drain(service.app)
    # The operator's port opens first, and what a role waits for may hold before its own port accepts.
    service.readiness.require("listening")
    public = public_runner(service)
    try:
        await _listen(admin, service.admin)
        await _listen(public, service.listen, client_optional=service.client_certificate_optional)
        service.readiness.set("listening", holds=True)
        await _announce_readiness(service, stop)
        await stop.wait()
        service.readiness.stop()
        service.log.event("draining", seconds=float(service.drain_seconds))
        await asyncio.sleep(service.drain_notice_seconds)
        for site in public.sites:
            await site.stop()
        await drain.wait(service.drain_seconds)
    finally:
        await public.cleanup()
        await admin.cleanup()
    service.log.event("stopped")
    if service.fatal is not None and service.fatal.done():
        service.fatal.result()


def public_runner(service: Service) -> web.AppRunner:
    """Return what serves the role's application, as `run` does (for tests inside one process)."""
    return web.AppRunner(
        service.app,
        access_log=None,
        handle_signals=False,
        # A client that goes away ends its handler, which in turn lets go of the upstream.
        handler_cancellation=True,
        # `Drain` has waited by then; this is for handlers to see that they are cancelled.
        shutdown_timeout=_CANCEL_SECONDS,
        # Content codings are the applications' business: what a peer packed is not blown up behind them.
        auto_decompress=False,
        # nginx: keepalive_timeout 75s (aiohttp would keep an idle or half-said request for an hour).
        keepalive_timeout=75.0,
    )


async def _listen(runner: web.AppRunner, listen: Listen, *, client_optional: bool = False) -> None:
    await runner.setup()
    context = None
    if listen.tls_certificate and listen.tls_private_key:
        context = tls.server_context(
            listen.tls_certificate,
            listen.tls_private_key,
            listen.tls_client_authority,
            client_optional=client_optional,
        )
    site: web.BaseSite
    if listen.unix is not None:
        site = web.UnixSite(runner, listen.unix, ssl_context=context)
    else:
        site = web.TCPSite(runner, listen.host, listen.port, ssl_context=context, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        where = listen.unix or f"{listen.host}:{listen.port}"
        raise TacitaError(f"Cannot listen on {where}: {error.strerror}.") from None


async def _announce_readiness(service: Service, stop: asyncio.Event) -> None:
    """Wait until ready (or told to stop) and log it, once."""
    waited = 0.0
    while not service.readiness.ready and not stop.is_set():
        await asyncio.sleep(0.05)
        waited += 0.05
        if waited >= 10:
            service.log.event("not_ready", condition=", ".join(service.readiness.missing))
            waited = 0.0
    if not stop.is_set():
        service.log.event("ready")
