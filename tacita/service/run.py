"""The life of a role's process: configuration, start, readiness, drain, exit code.

    def main() -> int:
        return run("relay", RelayConfig, build)

`build` gets the configuration and returns the `Service`. On SIGTERM or SIGINT the
role first says that it is not ready, then stops accepting, lets what is under way
end for `drain_seconds`, and exits with 0. On SIGHUP it takes its TLS files anew, and
whatever else it has to (`reload`). A supervisor that asks for it is told of each step (`notify`).
With `--workers N` that is the life of each of N processes, and of one over them (`workers`).
"""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

import uvloop
from aiohttp import web

from tacita.errors import TacitaError
from tacita.net.gate import Gate
from tacita.net.lane.limits import Limits
from tacita.net.message import Routes
from tacita.service.admin import create_admin_app
from tacita.service.config import Listen, Struct, load
from tacita.service.control import State, telling
from tacita.service.exits import EXIT_CONFIG, EXIT_TEMPORARY, exit_code
from tacita.service.listening import Public, app_runner, operators_port
from tacita.service.logs import Logger, tame_libraries
from tacita.service.metrics import Metrics
from tacita.service.notify import Supervisor
from tacita.service.readiness import Readiness
from tacita.service.reload import Hook, Reloading
from tacita.service.supervision import Ports, supervise
from tacita.service.workers import LISTENING

__all__ = [
    "EXIT_CONFIG",
    "EXIT_TEMPORARY",
    "Service",
    "missing_extra",
    "public",
    "public_runner",
    "run",
]

_MOST_WORKERS = 64

_AS_WORKER = "--as-worker"
"""Of a process that a supervisor has started: which one it is, and where it tells how it is."""

_YOUNG_OBJECTS = 10_000
"""New containers after which garbage is looked for (Python: 700, a few requests' worth)."""

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
    lane: Routes = field(default_factory=dict)
    """Handlers of POST by path, which the fast lane serves; `app` must not have them. Empty: no lane.
    Where it is a function, because they come and go, `app` has to have them too (`net.carried`)."""
    gate: Gate | None = None
    """What stands before every connection and request, and knows addresses (it wants a `lane`)."""
    limits: Limits | None = None
    """Of connections, where they are others than the usual ones."""
    reload: Sequence[Hook] = ()
    """What to do on SIGHUP, besides taking the TLS files anew."""
    reconfigure: Callable[[Any], Awaitable[None]] | None = None
    """What to do on SIGHUP with the configuration, read again; without it, that is read at the start only."""


def run(
    role: str,
    config_type: type[C],
    build: Callable[[C], Awaitable[Service]],
    *,
    workers: bool = False,
    epilog: str | None = None,
) -> int:
    """Run `role` until it is told to stop; return the process's exit code.

    `workers` says whether several processes may do its work; `epilog` ends its help.
    """
    arguments = _parser(role, workers=workers, epilog=epilog).parse_args()
    try:
        config = load(arguments.config, config_type)
        if arguments.check_config:
            print(f"{arguments.config} is a valid configuration of the {role}.")
            return 0
        if workers and arguments.workers > 1 and arguments.as_worker is None:
            return uvloop.run(supervise(role, cast(Ports, config), arguments.workers, _worker_command()))
        again = partial(load, arguments.config, config_type)
        uvloop.run(_serve(build(config), arguments.as_worker if workers else None, again))
    except TacitaError as error:
        print(f"tacita-{role}: {error}", file=sys.stderr)
        return exit_code(error)
    return 0


def _parser(role: str, *, workers: bool, epilog: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"tacita-{role}", description=f"Run a Tacita {role}.", epilog=epilog
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the TOML configuration")
    parser.add_argument(
        "--check-config", action="store_true", help="read the configuration, say so, and exit"
    )
    if workers:
        parser.add_argument(
            "--workers",
            type=int,
            choices=range(1, _MOST_WORKERS + 1),
            default=1,
            metavar="N",
            help="have N processes share the port, the keys and the store (default: 1)",
        )
        parser.add_argument(_AS_WORKER, type=_worker, help=argparse.SUPPRESS)
    return parser


def _worker(text: str) -> tuple[int, int]:
    number, descriptor = text.split(":")
    return int(number), int(descriptor)


def _worker_command() -> list[str]:
    """Return what this process was started with, for a worker of it."""
    return [sys.executable, *sys.orig_argv[1:], _AS_WORKER]


def missing_extra(role: str, error: ModuleNotFoundError) -> int:
    """Say which extra of the distribution `role` was installed without; return the exit code."""
    print(
        f"tacita-{role}: the module {error.name} is missing; run pip install 'tacita[{role}]'.",
        file=sys.stderr,
    )
    return EXIT_CONFIG


async def _serve(
    building: Awaitable[Service], worker: tuple[int, int] | None, again: Callable[[], Struct]
) -> None:
    # `again` reads the configuration once more.
    loop = asyncio.get_running_loop()
    supervisor, reloading = Supervisor(), Reloading()
    reloads = 0

    def hang_up() -> None:
        supervisor.reloading()
        reloading.ask()

    async def reloaded() -> None:
        nonlocal reloads
        reloads += 1
        supervisor.ready()

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    service = await building
    if worker is not None:
        service.log.stamp(worker=worker[0])
    tame_libraries(service.log)
    service.log.event("starting", version=version("tacita"))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if service.fatal is not None:
        service.fatal.add_done_callback(lambda _: stop.set())

    def state() -> State:
        longest = service.drain_notice_seconds + service.drain_seconds
        return State(service.readiness.missing, reloads, longest, service.metrics.families())

    # The operator's port opens first, and what a role waits for may hold before its own port accepts.
    service.readiness.require(LISTENING)
    operator: AbstractAsyncContextManager[None] = (
        telling(worker[1], state, stop.set)
        if worker is not None
        else operators_port(
            create_admin_app(service.readiness, service.metrics),
            service.admin,
            reloading.context(service.admin),
        )
    )
    port = public(service)
    async with operator, supervisor.watched():
        try:
            tls = reloading.context(service.listen, client_optional=service.client_certificate_optional)
            await port.open(service.listen, tls, shared=worker is not None)
            reloading.begin(service.log, (*_reconfiguring(service, again), *service.reload, reloaded))
            service.readiness.set(LISTENING, holds=True)
            # It takes requests. Whether it should be sent some is for /readyz to say: what that waits
            # for may be another role, which a supervisor starts after this one.
            supervisor.ready()
            # What is there by now stays: it need not be looked through for garbage with every request.
            gc.collect()
            gc.freeze()
            gc.set_threshold(_YOUNG_OBJECTS)
            await _announce_readiness(service, supervisor, stop)
            await stop.wait()
            service.readiness.stop()
            supervisor.stopping()
            service.log.event("draining", seconds=float(service.drain_seconds))
            await asyncio.sleep(service.drain_notice_seconds)
            port.stop_accepting()
            await port.drain(service.drain_seconds)
        finally:
            reloading.end()
            await port.close()
    service.log.event("stopped")
    if service.fatal is not None and service.fatal.done():
        service.fatal.result()


def _reconfiguring(service: Service, again: Callable[[], Struct]) -> Sequence[Hook]:
    """Return the hook that hands `service` its configuration as it is now, where it takes that."""
    take = service.reconfigure
    if take is None:
        return ()

    async def hook() -> None:
        await take(await asyncio.to_thread(again))

    return (hook,)


def public(service: Service) -> Public:
    """Return the public port of `service`, not open yet."""
    return Public(service.app, service.lane, service.log, service.limits, service.gate)


def public_runner(service: Service) -> web.AppRunner:
    """Return what serves the role's application without the lane (for tests inside one process)."""
    return app_runner(service.app)


async def _announce_readiness(service: Service, supervisor: Supervisor, stop: asyncio.Event) -> None:
    """Wait until ready (or told to stop) and say it, once."""
    waited = 0.0
    while not service.readiness.ready and not stop.is_set():
        await asyncio.sleep(0.05)
        waited += 0.05
        if waited >= 10:
            waiting = ", ".join(service.readiness.missing)
            service.log.event("not_ready", condition=waiting)
            supervisor.status(f"waiting for: {waiting}")
            waited = 0.0
    if not stop.is_set():
        service.log.event("ready")
        supervisor.status("ready")
