"""A public port as the shell opens it, with handlers that are served on the lane, or by aiohttp alone."""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from support import raw_http

from tacita.errors import LimitExceeded
from tacita.net.carried import carried
from tacita.net.lane.limits import Limits
from tacita.net.message import Request, Routes
from tacita.service.listening import Public, serving
from tacita.service.logs import Logger
from tacita.service.problems import middleware

__all__ = ["MAX_CONTENT", "TYPE", "WAYS", "Echo", "Port", "chunked", "plain", "port", "post"]

WAYS = ["lane", "aiohttp"]

TYPE = ((b"Content-Type", b"text/plain"),)

MAX_CONTENT = 1 << 20


@dataclass
class Echo:
    """Handlers that answer with the content that they got, and remember it."""

    seen: list[bytes] = field(default_factory=list)
    """The content of each request that was complete."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once there was a request."""

    async def handle(self, request: Request) -> None:
        """Read all, then answer."""
        self.begun.set()
        content = b""
        while piece := await request.read():
            content += piece
            if len(content) > MAX_CONTENT:
                raise LimitExceeded("The content is too long.")
        self.seen.append(content)
        await request.answer(200, TYPE, content)

    def at_once(self, request: Request) -> Coroutine[None, None, None] | None:
        """Answer without a task where the content is there already."""
        content = request.content()
        if content is None:
            return self.handle(request)
        self.begun.set()
        self.seen.append(content)
        request.send(200, TYPE, content)
        return None


@dataclass(frozen=True)
class Port:
    """An open port."""

    public: Public
    said: io.StringIO

    @property
    def number(self) -> int:
        return self.public.port

    def defects(self) -> list[str]:
        """Return the kinds of the defects that were logged."""
        lines = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return [line["kind"] for line in lines if line["event"] == "internal_error"]

    async def exchange(self, *parts: bytes) -> bytes:
        """Send `parts` on a connection of its own; return everything that comes until it is closed."""
        async with raw_http.connection(self.number) as (reader, writer):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0)
            return await reader.read()


@asynccontextmanager
async def port(
    handlers: Routes,
    way: str = "lane",
    *,
    limits: Limits | None = None,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Port]:
    """Serve `handlers` by path, with GET /hello in the application behind them."""
    said = io.StringIO()
    log = Logger("test", {}, stream=said)
    app = web.Application(middlewares=[middleware(log)])

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app.router.add_get("/hello", hello)
    if way == "aiohttp":
        assert isinstance(handlers, Mapping)
        for path, handler in handlers.items():
            app.router.add_post(path, carried(handler))
    public = Public(app, handlers if way == "lane" else {}, log, limits)
    async with serving(public, context=context):
        yield Port(public, said)


def post(content: bytes = b"", path: str = "/echo", extra: str = "") -> bytes:
    """Return a POST with a length."""
    head = f"POST {path} HTTP/1.1\r\nHost: a.example\r\n{extra}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def chunked(body: bytes, path: str = "/echo", extra: str = "") -> bytes:
    """Return a POST whose content `body` has been put into chunks already."""
    head = f"POST {path} HTTP/1.1\r\nHost: a.example\r\n{extra}Transfer-Encoding: chunked\r\n\r\n"
    return head.encode() + body


def plain(answers: bytes) -> list[tuple[int, bytes]]:
    """Return status and content of each answer in `answers`, which all have a length."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = int(raw_http.fields(head + b"\r\n\r\n")["content-length"])
        assert len(rest) >= length, "an answer is cut"
        found.append((int(head.split(b" ")[1]), rest[:length]))
        answers = rest[length:]
    return found
