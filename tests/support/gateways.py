"""A gateway inside the test's process, between a client made of our own library and a target made by hand.

    async with gateway_running(place) as gateway:
        response = await gateway.ask(get(token()))

The target records the exact bytes that reach it. `Stream` is a chunked exchange, step by step.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from support import raw_http, rsa
from support.issuers import CHALLENGE

from gateway.app import build
from gateway.config import GatewayConfig
from tacita import bhttp
from tacita.bhttp import Event, Field, Fields, Request, RequestHead, Response, ResponseDecoder
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.net.carried import carried
from tacita.ohttp import KeyConfig, media, oneshot
from tacita.ohttp.chunked import RequestSealer
from tacita.ohttp.keyconfig import decode_list
from tacita.privacypass import auth, directory
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import blind_rsa
from tacita.service.config import load
from tacita.service.listening import serving
from tacita.service.run import Service, public, public_runner

__all__ = [
    "ANSWER",
    "AUTHORITY",
    "BEGUN",
    "NOT_BEFORE",
    "PATH",
    "Gateway",
    "Place",
    "Stream",
    "Target",
    "config_text",
    "gateway_running",
    "get",
    "place_running",
    "post",
    "problem_of",
    "token",
]

PATH = "/.well-known/ohttp-gateway"
AUTHORITY = "gateway.example"
NOT_BEFORE = int(time.time()) // 86_400 * 86_400
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nanswer"
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"

Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Target:
    """`answer` gets the head of each request and the connection; without it, `ANSWER` is sent."""

    port: int = 0
    answer: Answer | None = None
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await raw_http.read_head(reader)
            self.heads.append(head)
            if self.answer is not None:
                await self.answer(head, reader, writer)
            else:
                self.bodies.append(await raw_http.read_body(reader, head))
                writer.write(ANSWER)
            await writer.drain()

    def says(self, answer: bytes, *, then_close: bool = False) -> None:
        """Answer every request with these bytes, whatever it was."""

        async def say(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.bodies.append(await raw_http.read_body(reader, head))
            writer.write(answer)
            if then_close:
                raise ConnectionAbortedError

        self.answer = say

    @property
    def lines(self) -> list[str]:
        """The lines of the newest head, the request line first."""
        return self.heads[-1].decode("latin-1").split("\r\n")[:-2]


def token(key: RsaPrivateKey | None = None, challenge: TokenChallenge = CHALLENGE) -> Field:
    """Return the field that pays for one request, with a new token issued under `key`."""
    key = key or rsa.private_key(0)
    request, pending = blind_rsa.request(challenge.encode(), key.public_key)
    (response,) = blind_rsa.issue([request], best_signer(key))
    return b"authorization", auth.format_authorization(blind_rsa.finalize(pending, response))


def get(*fields: Field, path: bytes = b"/", **head: bytes) -> Request:
    """Return a GET of the target; `head` changes parts of its control data."""
    return post(b"", *fields, path=path, **{"method": b"GET", **head})


def post(content: bytes, *fields: Field, path: bytes = b"/", **head: bytes) -> Request:
    """Return a POST to the target; `head` changes parts of its control data."""
    parts = {"method": b"POST", "scheme": b"https", "authority": AUTHORITY.encode(), **head}
    return Request(RequestHead(path=path, fields=tuple(fields), **parts), content)


def config_text(
    target: int,
    directory: int,
    *,
    port: int = 0,
    admin_port: int = 0,
    store: str = 'sqlite = "spent.sqlite"',
    token: str = "",
    keys: str = "",
    issuer: str = "",
    limits: str = "",
    more: str = "",
    front: str = "",
    targets: str = "",
    drain: float = 0.5,
) -> str:
    """Return the configuration of a gateway that keeps its files beside it."""
    return f"""
        authority = "{AUTHORITY}"
        drain_seconds = {drain}
        {more}
        [listen]
        port = {port}
        {front}
        [admin]
        port = {admin_port}
        [keys]
        state = "keys.json"
        kems = ["x25519", "p256"]
        {keys}
        [[issuers]]
        name = "issuer.example"
        directory = "http://127.0.0.1:{directory}/directory"
        {issuer}
        [store]
        {store}
        [token]
        {token}
        [limits]
        {limits}
        [[targets]]
        origin = "https://{AUTHORITY}"
        url = "http://127.0.0.1:{target}"
        [[targets]]
        origin = "https://free.example"
        url = "http://127.0.0.1:{target}"
        token = false
        {targets}
        """


@dataclass
class Place:
    """What a gateway stands on: a folder, a target and a mirror of its issuer's directory."""

    folder: Path
    target: Target
    directory_port: int = 0
    token_keys: tuple[TokenKey, ...] = ()
    fetched: list[bytes] = field(default_factory=list)

    def config(self, **changes: Any) -> str:
        return config_text(self.target.port, self.directory_port, **changes)

    async def mirror(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await raw_http.read_head(reader)
        self.fetched.append(head)
        body = IssuerDirectory("https://issuer.example/token-request", self.token_keys).to_json()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
            % (directory.MEDIA_TYPE.encode(), len(body), body)
        )
        await writer.drain()


@asynccontextmanager
async def place_running(folder: Path) -> AsyncIterator[Place]:
    """Run target and mirror."""
    key = TokenKey(blind_rsa.TOKEN_TYPE, rsa.private_key(0).public_key.spki, NOT_BEFORE)
    place = Place(folder, Target(), token_keys=(key,))
    async with raw_http.serving(place.target.handle) as port, raw_http.serving(place.mirror) as mirror:
        place.target.port, place.directory_port = port, mirror
        yield place


class Gateway:
    """A running gateway as its clients see it."""

    def __init__(self, port: int, configs: list[KeyConfig], service: Service | None = None) -> None:
        self.port = port
        self.configs = configs
        self.service = service

    async def raw(self, data: bytes) -> tuple[bytes, bytes]:
        """Send `data` over a connection of its own; return head and body of what comes back."""
        async with raw_http.connection(self.port) as (reader, writer):
            writer.write(data)
            head = await raw_http.read_head(reader)
            return head, await raw_http.read_body(reader, head)

    async def post(self, body: bytes, kind: str = media.REQUEST, *, extra: str = "") -> tuple[bytes, bytes]:
        """POST an encapsulated request, or what looks like one."""
        return await self.raw(message(body, kind, extra=extra))

    async def ask(self, request: Request | bytes, *, chunked: bool = False, key: int = 0) -> Response:
        """Return the response inside. Fails unless there is one, in the form that was asked for."""
        plain = bhttp.encode_request(request) if isinstance(request, Request) else request
        if chunked:
            async with self.stream(key=key) as stream:
                stream.send(plain, last=True)
                return await stream.response()
        sealed, context = oneshot.encapsulate_request(self.configs[key], plain)
        head, body = await self.post(sealed)
        assert head.startswith(b"HTTP/1.1 200 "), (head, body)
        assert raw_http.fields(head)["content-type"] == media.RESPONSE
        return bhttp.decode_response(context.decapsulate_response(body))

    @asynccontextmanager
    async def stream(self, *, key: int = 0) -> AsyncIterator["Stream"]:
        """Begin a chunked exchange over a connection of its own."""
        async with raw_http.connection(self.port) as (reader, writer):
            yield Stream(reader, writer, RequestSealer(self.configs[key]))

    def counted(self, name: str) -> float:
        """Return the value of the series `name`, without its prefix."""
        assert self.service is not None
        for line in self.service.metrics.render().decode().splitlines():
            if line.startswith(f"tacita_gateway_{name} "):
                return float(line.split(" ")[1])
        raise KeyError(name)

    async def until(self, name: str, value: float = 1) -> None:
        """Wait until the series `name` has `value`."""
        while self.counted(name) != value:  # noqa: ASYNC110 (the counter is all that tells)
            await asyncio.sleep(0.005)


def message(body: bytes, kind: str = media.REQUEST, *, extra: str = "") -> bytes:
    """Return a whole POST to the message resource."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: {AUTHORITY}\r\nContent-Type: {kind}\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Stream:
    """One chunked exchange: what is sent goes at once, what comes back is opened as it comes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sealer: RequestSealer
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._sealer = sealer
        self._opener = sealer.response_opener()
        self._decoder = ResponseDecoder()
        self._events: deque[Event] = deque()
        self._headed = False
        self._ended = False
        self.transfer(
            f"POST {PATH} HTTP/1.1\r\nHost: {AUTHORITY}\r\nContent-Type: {media.CHUNKED_REQUEST}\r\n"
            "Incremental: ?1\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),
            sealer.header(),
        )

    def transfer(self, before: bytes, *chunks: bytes) -> None:
        """Write chunks of the transfer coding behind `before`."""
        self.writer.write(before + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks))

    def send(self, plain: bytes, *, last: bool = False) -> None:
        """Seal and send `plain`; with `last` the message ends after it."""
        for start in range(0, len(plain), 16_384):
            self.transfer(b"", self._sealer.seal(plain[start : start + 16_384]))
        if last:
            self.transfer(b"", self._sealer.finish())
            self.writer.write(b"0\r\n\r\n")

    async def head(self) -> bytes:
        """Return the head of the HTTP response around the encapsulated one."""
        self._headed = True
        return await raw_http.read_head(self.reader)

    async def next(self) -> Event:
        """Return the next event of the response inside."""
        if not self._headed:
            head = await self.head()
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert raw_http.fields(head)["content-type"] == media.CHUNKED_RESPONSE
        while not self._events:
            assert not self._ended
            chunk = await raw_http.read_chunk(self.reader)
            opened = self._opener.feed(chunk) if chunk else self._opener.finish()
            for plain in opened:
                self._events.extend(self._decoder.feed(plain))
            if not chunk:
                self._ended = True
                self._events.extend(self._decoder.finish())
        return self._events.popleft()

    async def response(self) -> Response:
        """Return the rest of the response as one."""
        early = []
        while isinstance(head := await self.next(), bhttp.Informational):
            early.append(head)
        assert isinstance(head, bhttp.ResponseHead)
        content, trailers = b"", ()
        while not isinstance(event := await self.next(), bhttp.End):
            if isinstance(event, bhttp.Trailers):
                trailers = event.fields
            else:
                assert isinstance(event, bhttp.Content)
                content += event.data
        return Response(head, content, trailers, tuple(early))

    async def rest(self) -> bytes:
        """Return what is left of the content; fails where the answer is cut short."""
        content = b""
        while not isinstance(event := await self.next(), bhttp.End):
            assert isinstance(event, bhttp.Content)
            content += event.data
        return content


def problem_of(response: Response) -> tuple[int, Fields, bytes]:
    """Return status, fields and body of a problem document inside; fails where it is none."""
    assert (b"content-type", b"application/problem+json") in response.head.fields
    return response.head.status, response.head.fields, response.content


@asynccontextmanager
async def gateway_running(
    place: Place, *, wait: bool = True, lane: bool = True, **changes: Any
) -> AsyncIterator[Gateway]:
    """Run a gateway as the shell does, and wait until it is ready; without `lane`, behind aiohttp alone."""
    file = place.folder / f"gateway-{os.urandom(4).hex()}.toml"
    file.write_text(place.config(**changes))
    service = await build(load(file, GatewayConfig))
    async with (_by_lane if lane else _by_aiohttp)(service) as port:
        while wait and not service.readiness.ready:  # noqa: ASYNC110 (the shell, too, looks now and then)
            await asyncio.sleep(0.005)
        bare = Gateway(port, [], service)
        _, keys = await bare.raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield Gateway(port, decode_list(keys), service)


@asynccontextmanager
async def _by_lane(service: Service) -> AsyncIterator[int]:
    async with serving(public(service)) as running:
        yield running.port


@asynccontextmanager
async def _by_aiohttp(service: Service) -> AsyncIterator[int]:
    for path, handler in service.lane.items():
        service.app.router.add_post(path, carried(handler))
    runner = public_runner(service)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
