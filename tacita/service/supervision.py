"""What the process over several workers does: the operator's port, signals, and word to who supervises it."""

import asyncio
import signal
from collections.abc import Sequence
from importlib.metadata import version
from typing import Protocol

from tacita.service.admin import admin_app
from tacita.service.config import Listen
from tacita.service.listening import operators_port, require_shareable
from tacita.service.logs import Logger, tame_libraries
from tacita.service.metrics import Metrics
from tacita.service.notify import Supervisor
from tacita.service.reload import Reloading
from tacita.service.workers import Workers

__all__ = ["Ports", "supervise"]


class Ports(Protocol):
    """What every role's configuration has."""

    @property
    def listen(self) -> Listen:
        """The public port."""
        ...

    @property
    def admin(self) -> Listen:
        """The operator's."""
        ...


async def supervise(role: str, ports: Ports, count: int, command: Sequence[str]) -> int:
    """Keep `count` workers of `role` running until told to stop; return the exit code.

    Raises:
        ConfigError, TacitaError: a port cannot be had, or not be shared.
    """
    loop = asyncio.get_running_loop()
    log, metrics = Logger(role, {}), Metrics(role)
    tame_libraries(log)
    log.event("starting", version=version("tacita"))
    await require_shareable(ports.listen)
    supervisor, reloading = Supervisor(), Reloading()
    workers = Workers(command, count, log, metrics)

    def stop() -> None:
        supervisor.stopping()
        workers.stop()

    def hang_up() -> None:
        supervisor.reloading()
        reloading.ask()

    async def reloaded() -> None:
        supervisor.ready()

    def ready() -> None:
        log.event("ready")
        supervisor.status("ready")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    app = admin_app(workers.missing, workers.render)
    async with operators_port(app, ports.admin, reloading.context(ports.admin)), supervisor.watched():
        reloading.begin(log, (workers.reload, reloaded))
        try:
            code = await workers.run(listening=supervisor.ready, ready=ready)
        finally:
            reloading.end()
    log.event("stopped")
    return code
