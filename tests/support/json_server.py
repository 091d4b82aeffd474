"""A service on the loopback interface that gives JSON answers, goes away and comes back."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

__all__ = ["Answer", "JsonServer", "json_server"]

Answer = tuple[int, bytes]


@dataclass
class JsonServer:
    """What it is asked (header fields and body), and how it answers: `answer` gets the body."""

    tls: ssl.SSLContext | None = None
    answer: Callable[[bytes], Awaitable[Answer]] | None = None
    content_type: str = "application/json"
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    _runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/path?query=1"

    def says(self, status: int, body: bytes) -> None:
        """Answer everything alike from now on."""

        async def answer(_question: bytes) -> Answer:
            return status, body

        self.answer = answer

    async def start(self) -> None:
        """Listen, on the port of the last time."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        assert self.answer is not None
        assert str(request.rel_url) == "/path?query=1"
        body = await request.read()
        self.asked.append(({name.lower(): value for name, value in request.headers.items()}, body))
        status, answer = await self.answer(body)
        return web.Response(status=status, body=answer, headers={"Content-Type": self.content_type})


@asynccontextmanager
async def json_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[JsonServer]:
    """Serve until the end of the context."""
    server = JsonServer(tls)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await asyncio.sleep(0)
