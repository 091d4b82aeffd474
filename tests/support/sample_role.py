"""A role that does little, on the real shell: `python sample_role.py --config FILE`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from tacita.errors import ConfigError, TacitaError
from tacita.net.message import Request
from tacita.service import problems
from tacita.service.config import Listen, Struct
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics
from tacita.service.readiness import Readiness
from tacita.service.run import Service, run

CANARY = "canary-1d07"


class Away(TacitaError):
    """What the role needs is not there now."""

    passing = True


class SampleConfig(Struct, frozen=True):
    """`fails` is refused by `build`; `late` seconds pass before the role is ready.

    `away` is raised by `build` as something that passes, for as long as there is no such file.
    """

    listen: Listen
    admin: Listen
    fails: bool = False
    away: Path | None = None
    late: float = 0.0
    drain_seconds: float = 20.0
    drain_notice_seconds: float = 0.0


async def build(config: SampleConfig) -> Service:
    """Return a service that streams, waits, and has defects."""
    if config.fails:
        raise ConfigError("The key cannot be used.")
    if config.away is not None and not config.away.exists():
        raise Away("The store is away.")
    log, readiness, metrics = Logger("sample", {}), Readiness(["warm"]), Metrics("sample")
    asked = metrics.counter("asked_total", "Asked for the process.")
    metrics.gauge("least", "The process's number.", across="min").set(os.getpid())
    app = web.Application(middlewares=[problems.middleware(log)])
    more = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun ")
        await more.wait()
        await response.write(b"ended")
        return response

    async def go_on(_request: web.Request) -> web.Response:
        more.set()
        return web.Response(text="yes")

    async def fail(_request: web.Request) -> web.Response:
        asyncio.get_running_loop().call_soon(lambda: 1 / len(""))
        raise ValueError(CANARY)

    async def process(_request: web.Request) -> web.Response:
        asked.inc()
        return web.Response(text=str(os.getpid()))

    async def die(_request: web.Request) -> web.Response:
        os._exit(3)

    async def lane(request: Request) -> None:
        while await request.read():
            pass
        await request.begin(200, ())
        await request.write(b"begun ")
        await more.wait()
        await request.write(b"ended")
        await request.end()

    async def warm(_app: web.Application) -> AsyncIterator[None]:
        asyncio.get_running_loop().call_later(config.late, lambda: readiness.set("warm", holds=True))
        yield

    app.cleanup_ctx.append(warm)
    app.add_routes([web.get("/stream", stream), web.post("/go-on", go_on), web.get("/fail", fail)])
    app.add_routes([web.get("/process", process), web.post("/die", die)])
    return Service(
        app,
        config.listen,
        config.admin,
        log,
        metrics,
        readiness,
        drain_seconds=config.drain_seconds,
        drain_notice_seconds=config.drain_notice_seconds,
        lane={"/lane": lane},
    )


if __name__ == "__main__":
    sys.exit(run("sample", SampleConfig, build, workers=True))
