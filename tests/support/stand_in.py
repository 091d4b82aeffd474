"""A whole deployment in the test's own process, made by hand: answers when and as a test wants.

    async with StandIn.running(folder) as there:
        there.delay = 0.2
        await load("run", "ask", "--endpoints", str(there.endpoints))

It opens sealed requests with a real key and signs tokens with a real one, and is nothing of the roles:
what the load harness measures of it is known beforehand.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Self

from aiohttp import web
from support import ports, rsa

from tacita.bhttp import Request, Response, ResponseHead, decode_request, encode_response
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.crypto.signer import best_signer
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig, keyconfig, media, oneshot
from tacita.ohttp.chunked import RequestOpener
from tacita.privacypass import auth, batch, directory
from tacita.privacypass.batch import (
    GenericBatchTokenRequest,
    GenericBatchTokenResponse,
    GenericTokenResponse,
)
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import blind_rsa
from tacita.wire import base64url

__all__ = ["StandIn"]

_PROBLEM = "application/problem+json"


class StandIn:
    """What it does may be changed at any time."""

    def __init__(self, folder: Path) -> None:
        self.endpoints = folder / "endpoints.json"
        self.delay = 0.0
        self.stalled_until = 0.0
        self.quota = 1_000_000
        self.date_offset = 0.0
        self.inner_offset = 0.0
        self.outside: tuple[int, dict[str, str]] | None = None
        self.inside: tuple[int, str] | None = None
        self.bare_delay = 0.0
        self.one_at_a_time = 0.0
        self._turn = asyncio.Lock()
        self.events = 4
        self.gap = 0.01
        self.answered = 0
        self.took: list[float] = []
        self.nonces: list[bytes] = []
        self.issued = 0
        self._target = f"127.0.0.1:{ports.free_port()}"
        self._signer = best_signer(rsa.private_key())
        self.challenge = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"", (self._target,))
        self.turn_over(1)

    def turn_over(self, key_id: int) -> None:
        """Publish and take another key, and that one only."""
        key = PrivateKey.generate(Kem.X25519)
        config = KeyConfig(key_id, Kem.X25519, key.public_key, ((Kdf.HKDF_SHA256, Aead.AES_128_GCM),))
        self._published = keyconfig.encode_list([config])
        self._keys = GatewayKeys([GatewayKey(config, key)])

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path) -> AsyncIterator[Self]:
        """Serve on four ports, one for each party, and write endpoints.json and a credential."""
        there = cls(folder)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_get("/keys", there._document(media.KEYS, lambda: there._published))
        app.router.add_get("/challenge", there._document("application/json", there._challenge))
        app.router.add_get("/directory", there._document(directory.MEDIA_TYPE, there._directory))
        app.router.add_post("/gateway", there._message)
        app.router.add_post("/token-request", there._tokens)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            origins = []
            for port in ports.free_ports(4):
                await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
                origins.append(f"http://127.0.0.1:{port}")
            there._announce(folder, *origins)
            yield there
        finally:
            await runner.cleanup()

    def _announce(self, folder: Path, relay: str, mirror: str, gateway: str, issuer: str) -> None:
        credential = folder / "credential"
        credential.write_text("a-credential")
        credential.chmod(0o600)

        def documents(origin: str) -> dict[str, str]:
            return {
                "gateway_keys": f"{origin}/keys",
                "challenge": f"{origin}/challenge",
                "issuer_directory": f"{origin}/directory",
            }

        self.endpoints.write_text(
            json.dumps(
                {
                    "issuer": {"token_request": f"{issuer}/token-request", "credential": str(credential)},
                    "relay": {"messages": f"{relay}/gateway", **documents(relay)},
                    "mirror": documents(mirror),
                    "gateway": {"messages": f"{gateway}/gateway"},
                    "target": {"url": f"http://{self._target}"},
                }
            )
        )

    def _document(
        self, kind: str, content: Callable[[], bytes]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(_request: web.Request) -> web.Response:
            return web.Response(body=content(), headers={"Content-Type": kind, "Date": self._date()})

        return handle

    def _date(self) -> str:
        return formatdate(time.time() + self.date_offset, usegmt=True)

    def _challenge(self) -> bytes:
        return json.dumps({"challenge": base64url.encode(self.challenge.encode())}).encode()

    def _directory(self) -> bytes:
        key = TokenKey(blind_rsa.TOKEN_TYPE, self._signer.public_key.spki, int(time.time()) - 3600)
        return IssuerDirectory("/token-request", (key,)).to_json()

    async def _tokens(self, request: web.Request) -> web.Response:
        asked = GenericBatchTokenRequest.decode(await request.read(), limit=1000).token_requests
        if self.issued + len(asked) > self.quota:
            return web.Response(status=429, headers={"Date": self._date()})
        self.issued += len(asked)
        issued = blind_rsa.issue([blind_rsa.TokenRequest.decode(one) for one in asked], self._signer)
        answers = tuple(GenericTokenResponse(blind_rsa.TOKEN_TYPE, one.encode()) for one in issued)
        body = GenericBatchTokenResponse(answers).encode()
        return web.Response(body=body, headers={"Content-Type": batch.RESPONSE_MEDIA_TYPE})

    async def _message(self, request: web.Request) -> web.StreamResponse:
        arrived = time.monotonic()
        body = await request.read()
        if self.outside is not None:
            return web.Response(status=self.outside[0], headers=self.outside[1])
        chunked = request.content_type == media.CHUNKED_REQUEST
        if chunked:
            opener = RequestOpener(self._keys)
            inner = decode_request(b"".join(opener.feed(body) + opener.finish()))
        else:
            opened, context = oneshot.decapsulate_request(self._keys, body)
            inner = decode_request(opened)
        status, content = self._judge(inner)
        await asyncio.sleep(self.bare_delay)
        if self.one_at_a_time:
            async with self._turn:
                await asyncio.sleep(self.one_at_a_time)
        if status == 200:
            wait = max(arrived + self.delay, self.stalled_until) - time.monotonic()
            await asyncio.sleep(max(0.0, wait))
            self.answered += 1
            self.took.append(time.monotonic() - arrived)
        head = ResponseHead(status, ((b"content-type", _PROBLEM.encode()),) if status != 200 else ())
        if not chunked:
            sealed = context.encapsulate_response(encode_response(Response(head, content)))
            return web.Response(body=sealed, headers={"Content-Type": media.RESPONSE})
        return await self._stream(request, opener, head, content)

    async def _stream(
        self, request: web.Request, opener: RequestOpener, head: ResponseHead, content: bytes
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": media.CHUNKED_RESPONSE})
        await response.prepare(request)
        sealer = opener.response_sealer()
        await response.write(sealer.header())
        if head.status != 200:
            await response.write(sealer.finish(encode_response(Response(head, content))))
            return response
        events = [b'data: {"n":1}\n\n'] * self.events
        whole = encode_response(Response(head, b"".join([*events, b"data: [DONE]\n\n"])))
        start = whole.index(b"data:")
        await response.write(sealer.seal(whole[:start]))
        for number, event in enumerate(events):
            if number:
                await asyncio.sleep(self.gap)
            await response.write(sealer.seal(event))
            start += len(event)
        await response.write(sealer.finish(whole[start:]))
        return response

    def _judge(self, inner: Request) -> tuple[int, bytes]:
        fields = dict(inner.head.fields)
        if b"authorization" not in fields:
            # As a gateway whose clock is off: it looks at the Date before it looks for a token.
            if abs(self.inner_offset) > 300 and b"date" in fields:
                kind = "https://iana.org/assignments/http-problem-types#date"
                return 400, json.dumps({"type": kind}).encode()
            return 401, b"{}"
        if self.inside is not None:
            return self.inside[0], self.inside[1].encode()
        token = auth.parse_authorization(fields[b"authorization"])
        blind_rsa.verify(token, self._signer.public_key, self.challenge.digest())
        if token.nonce in self.nonces:
            return 401, b"{}"
        self.nonces.append(token.nonce)
        return 200, b"an answer"
