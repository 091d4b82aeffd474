"""The client's side of whole-deployment tests: the real client, and messages sealed by hand."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tacita.bhttp import (
    Event,
    Request,
    RequestHead,
    Response,
    ResponseDecoder,
    decode_response,
    encode_request,
)
from tacita.client.endpoints import Endpoints
from tacita.client.issuance import fetch_tokens
from tacita.client.session import Session
from tacita.client.trust import Trust
from tacita.client.wallet import Wallet
from tacita.net.dial import Dialler
from tacita.net.message import Field
from tacita.net.upstream import Upstream, UpstreamError, UpstreamResponse
from tacita.net.urls import split
from tacita.ohttp import media, oneshot
from tacita.ohttp.chunked import RequestSealer, ResponseOpener
from tacita.privacypass import auth
from tacita.privacypass.token import Token

__all__ = ["Client", "Exchange", "Outer", "coming_from", "post", "request", "request_head"]


@dataclass(frozen=True)
class Outer:
    """A plain HTTP answer: what stands around the encapsulation, or in its place."""

    status: int
    media_type: str
    body: bytes


class Exchange:
    """A chunked exchange whose outer head has arrived."""

    def __init__(self, response: UpstreamResponse, opener: ResponseOpener) -> None:
        self.status = response.status
        self.media_type = response.media_type
        self._response = response
        self._opener = opener

    async def events(self) -> AsyncGenerator[Event]:
        """Yield what the answer inside says, as it comes, to its clean end.

        Raises:
            ResponseTruncated: the encapsulated answer has no final chunk.
            UpstreamError: the connection broke off.
        """
        decoder = ResponseDecoder()
        async with aclosing(self._response.pieces()) as pieces:
            async for piece in pieces:
                for plaintext in self._opener.feed(piece):
                    for event in decoder.feed(plaintext):
                        yield event
        for plaintext in self._opener.finish():
            for event in decoder.feed(plaintext):
                yield event
        for event in decoder.finish():
            yield event


@dataclass
class Client:
    """Somebody with tokens. `credential` is an API key."""

    endpoints: Endpoints
    trust: Trust
    credential: str

    @classmethod
    async def of(cls, state: Path, credential: str | None = None) -> Self:
        """Return a client of the deployment in `state`, by default with the first account."""
        endpoints = Endpoints.load(state / "endpoints.json")
        key = credential or endpoints.issuer.credential.read_text().strip()
        return cls(endpoints, await Trust.fetch(endpoints), key)

    async def tokens(self, count: int) -> list[Token]:
        """Fetch `count` tokens."""
        return await fetch_tokens(self.endpoints.issuer, self.trust, self.credential, count)

    async def token(self) -> Token:
        """Fetch one token."""
        return (await self.tokens(1))[0]

    @asynccontextmanager
    async def session(self, wallet: Path, tokens: list[Token]) -> AsyncIterator[Session]:
        """Open the real client's session over a wallet with exactly these tokens."""
        with Wallet.open(wallet) as held:
            held.add(tokens)
            async with Session(self.endpoints, self.trust, held) as session:
                yield session

    @asynccontextmanager
    async def exchange(self, message: Request | bytes) -> AsyncIterator[Exchange]:
        """Seal `message` afresh in the chunked form and send it; leaving the context early goes away."""
        sealer = RequestSealer(self.trust.key_config)
        plaintext = message if isinstance(message, bytes) else encode_request(message)
        body = sealer.header() + sealer.finish(plaintext)
        fields = [(b"content-type", media.CHUNKED_REQUEST.encode()), (b"incremental", b"?1")]
        origin, path = split(self.endpoints.relay.messages)
        async with (
            Upstream(origin, connections=1) as relay,
            relay.request("POST", path, fields, body) as response,
        ):
            yield Exchange(response, sealer.response_opener())

    async def chunked(self, message: Request | bytes) -> Response:
        """Seal `message` afresh, send it, and return the whole answer inside."""
        sealer = RequestSealer(self.trust.key_config)
        plaintext = message if isinstance(message, bytes) else encode_request(message)
        outer = await self.outer(sealer.header() + sealer.finish(plaintext), media.CHUNKED_REQUEST)
        assert (outer.status, outer.media_type) == (200, media.CHUNKED_RESPONSE), outer
        opener = sealer.response_opener()
        return decode_response(b"".join([*opener.feed(outer.body), *opener.finish()]))

    async def one_shot(self, message: Request | bytes) -> Response:
        """The same in the one-shot form of RFC 9458."""
        plaintext = message if isinstance(message, bytes) else encode_request(message)
        body, context = oneshot.encapsulate_request(self.trust.key_config, plaintext)
        outer = await self.outer(body, media.REQUEST)
        assert (outer.status, outer.media_type) == (200, media.RESPONSE), outer
        return decode_response(context.decapsulate_response(outer.body))

    async def outer(self, body: bytes, media_type: str) -> Outer:
        """Send `body` to the relay as it is; return the plain answer."""
        return await post(self.endpoints.relay.messages, body, media_type)


async def post(url: str, body: bytes, media_type: str, *fields: Field) -> Outer:
    """POST `body`; return the answer, or one with status 0 when it does not come whole."""
    origin, path = split(url)
    headers = [(b"content-type", media_type.encode()), *fields]
    async with Upstream(origin, connections=1) as server:
        try:
            async with server.request("POST", path, headers, body) as response:
                content = b"".join([piece async for piece in response.pieces()])
                return Outer(response.status, response.media_type, content)
        except UpstreamError:
            return Outer(0, "", b"")


def request_head(
    target: str, *fields: tuple[bytes, bytes], path: str = "/v1/chat/completions"
) -> RequestHead:
    """Return the head of a POST to `target`."""
    scheme, _, authority = target.partition("://")
    return RequestHead(b"POST", scheme.encode(), authority.encode(), path.encode(), fields)


def request(
    target: str,
    token: Token | None,
    content: bytes = b"{}",
    *fields: tuple[bytes, bytes],
    path: str = "/v1/chat/completions",
) -> Request:
    """Return a POST of `content` to `target` that is paid for with `token`."""
    paid = [(b"authorization", auth.format_authorization(token))] if token is not None else []
    described = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    return Request(request_head(target, *described, *fields, *paid, path=path), content)


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    """Let everything that this process sends through an `Upstream` come from the loopback `address`."""
    original = Dialler._socket

    def bound(family: int) -> socket.socket:
        made = original(family)
        made.bind((address, 0))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dialler, "_socket", staticmethod(bound))
        yield
