from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import web

from node import weights
from node.admission import Admission
from node.app import EVENTS, create_app
from node.config import Limits, NodeConfig
from node.engine import Engine
from tacita.service.config import Listen
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics

LIMITS = Limits(context_tokens=1024, answer_tokens=400, waiting=1, body_bytes=32_768, messages=16)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The real model, loaded once for a file of tests."""
    admission = Admission(1, waiting=LIMITS.waiting, seconds=60)
    loaded = Engine(weights.find(), admission, context_tokens=LIMITS.context_tokens)
    yield loaded
    loaded.close()


class Node:
    """The application on a port of its own, run as the service shell runs it."""

    def __init__(self, engine: Engine) -> None:
        listen = Listen()
        self.engine = engine
        self.metrics = Metrics("node")
        config = NodeConfig(listen=listen, admin=listen, limits=LIMITS)
        app = create_app(config, engine, Logger("node", EVENTS), self.metrics)
        # The engine is for all tests of the file.
        app.cleanup_ctx.clear()
        self.runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=5)
        self.url = ""

    async def start(self) -> None:
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = self.runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    def metric(self, name: str) -> float:
        """Return one series of the exposition."""
        for line in self.metrics.render().decode().splitlines():
            if line.startswith(f"tacita_node_{name} "):
                return float(line.rpartition(" ")[2])
        raise KeyError(name)


@pytest_asyncio.fixture(loop_scope="module")
async def node(engine: Engine) -> AsyncIterator[Node]:
    running = Node(engine)
    await running.start()
    yield running
    await running.runner.cleanup()
