"""A deployment by hand that does everything right, or one thing wrong: what `tacita doctor` is shown red on.

    async with Crooked.running() as there:
        there.mischief = "a cookie through the relay"

Each party has a port of its own. `looked_for` has the names of all mischief that the code has come by,
so that a test sees when it misspells one; `asked_with` the origins that were sent a credential.
"""

import base64
import hashlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Self

from aiohttp import web
from support import ports, rsa
from support.crooked_gateway import CrookedGateway, problem

from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.ohttp import media
from tacita.privacypass import batch, directory, issuing
from tacita.privacypass.batch import (
    GenericBatchTokenRequest,
    GenericBatchTokenResponse,
    GenericTokenResponse,
)
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import blind_rsa
from tacita.wire import base64url

__all__ = ["CREDENTIAL", "TARGET", "Crooked"]

CREDENTIAL = "a-credential"
TARGET = "https://targets.example"
_DAY = 86_400
_MAX_AGE = 600
_WELL_KNOWN = "/.well-known/private-token-issuer-directory"
_DOCUMENTS = {
    "keys": media.KEYS,
    "challenge": "application/json",
    "issuer-directory": directory.MEDIA_TYPE,
}


class Crooked:
    """Origins of the parties, and what is wrong with one of them, if anything."""

    def __init__(self) -> None:
        self.mischief = ""
        self.looked_for: set[str] = set()
        self.relay, self.mirror, self.gateway, self.issuer = (
            f"http://127.0.0.1:{port}" for port in ports.free_ports(4)
        )
        self.requests = 0
        self.asked_with: set[str] = set()
        self.fetches = 0
        self._now = int(time.time())
        first, second, *self._others = _distinct(4)
        self._signer, self._next = best_signer(first), best_signer(second)
        self._gateway = CrookedGateway(self.wrong, self.issuer.partition("://")[2], self._signer.public_key)

    def wrong(self, mischief: str) -> bool:
        """Return whether this is what is wrong."""
        self.looked_for.add(mischief)
        return self.mischief == mischief

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        """Serve all parties until the end of the context."""
        there = cls()
        runners = []
        try:
            for origin, handler in (
                (there.relay, there._at_relay),
                (there.mirror, there._at_mirror),
                (there.gateway, there._at_gateway),
                (there.issuer, there._at_issuer),
            ):
                app = web.Application(client_max_size=1 << 24)
                app.router.add_route("*", "/{tail:.*}", there._counted(handler))
                app.on_response_prepare.append(_without_server)
                runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
                await runner.setup()
                runners.append(runner)
                await web.TCPSite(runner, "127.0.0.1", int(origin.rpartition(":")[2])).start()
            yield there
        finally:
            for runner in runners:
                await runner.cleanup()

    def _counted(self, handler):  # type: ignore[no-untyped-def]
        async def counted(request: web.Request) -> web.StreamResponse:
            self.requests += 1
            if "Authorization" in request.headers:
                self.asked_with.add(str(request.url.origin()))
            return await handler(request)

        return counted

    async def _at_relay(self, request: web.Request) -> web.Response:
        if request.path.startswith("/gateway/"):
            return self._mirrored(request, request.path.rpartition("/")[2], of_relay=True)
        if request.path != "/gateway" and not self.wrong("a relay with one gateway at any path"):
            return problem(404)
        if request.method != "POST":
            if self.wrong("a relay with a page for people"):
                return web.Response(text="It works!")
            return problem(405, {"Allow": "POST"})
        kinds = {media.REQUEST, media.CHUNKED_REQUEST}
        if request.content_type not in kinds:
            return problem(200 if self.wrong("a relay that takes any media type") else 415)
        if "Content-Encoding" in request.headers:
            return problem(200 if self.wrong("a relay that takes codings") else 415)
        if (request.content_length or 0) > 1 << 20:
            if self.wrong("a relay that reads before it refuses"):
                await request.read()
            return problem(413)
        if self.wrong("a relay that buffers") and request.content_type == media.CHUNKED_REQUEST:
            await request.read()
        if self.wrong("a relay that forwards no streams") and request.content_type == media.CHUNKED_REQUEST:
            return problem(501, {"Proxy-Status": "relay; error=incremental_refused"})
        return self._back(await self._gateway.message(request))

    def _back(self, answer: web.Response) -> web.Response:
        """Return the gateway's `answer` as the relay passes it on."""
        if not self.wrong("an answer that caches keep"):
            answer.headers["Cache-Control"] = "no-store"
        if self.wrong("a cookie through the relay"):
            answer.set_cookie("visitor", "7")
        if self.wrong("a gateway's Retry-After through the relay"):
            answer.headers["Retry-After"] = "7"
        if answer.status == 422 and self.wrong("a relay with words of its own"):
            answer.body = b'{"type": "about:blank"}'
        if answer.content_type == media.RESPONSE and self.wrong("a relay that changes answers"):
            assert isinstance(answer.body, bytes)
            answer.body = answer.body[:-1] + b"?"
        return answer

    async def _at_mirror(self, request: web.Request) -> web.Response:
        return self._mirrored(request, request.path.rpartition("/")[2], of_relay=False)

    def _mirrored(self, request: web.Request, name: str, *, of_relay: bool) -> web.Response:
        if name not in _DOCUMENTS or (self.wrong("a relay that is no mirror") and of_relay):
            return problem(404)
        if not of_relay and name == "challenge" and self.wrong("a mirror without the challenge"):
            return problem(404)
        body = self._document(name)
        if name == "keys" and not of_relay:
            self.fetches += 1
            if self.wrong("a mirror with another key"):
                body = self._gateway.other_keys()
            if self.fetches % 2 == 0 and self.wrong("a mirror with another key to every second visitor"):
                body = self._gateway.other_keys()
        kind = _DOCUMENTS[name]
        if not of_relay and self.wrong("a mirror with another media type"):
            kind = "application/octet-stream"
        answer = self._published(request, body, kind)
        if self.wrong("a mirror with a cookie"):
            answer.set_cookie("visitor", "7")
        if self.wrong("a mirror with an entity tag of its own"):
            answer.headers["ETag"] = '"7"'
        if self.wrong("a mirror that keeps a document for a week"):
            answer.headers["Cache-Control"] = "max-age=604800"
        if "Cookie" in request.headers and self.wrong("a mirror that knows its visitors"):
            answer.headers["X-Seen"] = "before"
        if self.wrong("a mirror with the digest of another document") and "Content-Digest" in answer.headers:
            answer.headers["Content-Digest"] = f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"
        return answer

    def _published(self, request: web.Request, body: bytes, kind: str) -> web.Response:
        digest = hashlib.sha256(body).digest()
        age = 7 * _DAY if self.wrong("a directory that outlives its keys") else _MAX_AGE
        fields = {"ETag": f'"sha256-{digest.hex()}"', "Cache-Control": f"public, max-age={age}"}
        known = request.headers.get("If-None-Match") in {fields["ETag"], '"7"'}
        if known and not self.wrong("a mirror that always sends all of it"):
            return web.Response(status=304, headers=fields)
        fields["Content-Digest"] = f"sha-256=:{base64.b64encode(digest).decode()}:"
        return web.Response(body=body, headers={**fields, "Content-Type": kind})

    def _document(self, name: str) -> bytes:
        if name == "keys":
            return self._gateway.published()
        return self._challenge() if name == "challenge" else self._directory()

    def _challenge(self) -> bytes:
        encoded = base64url.encode(self._gateway.challenge().encode())
        if self.wrong("a challenge without its padding"):
            encoded = encoded.rstrip("=")
        document: dict[str, object] = {"challenge": encoded}
        if not self.wrong("a challenge without a budget"):
            document["token"] = {"request_bytes": 1 << 20, "response_bytes": 1 << 20, "seconds": 300}
        return json.dumps(document).encode()

    def _directory(self) -> bytes:
        keys = [
            TokenKey(2, self._next.public_key.spki, self._now + _DAY),
            TokenKey(2, self._signer.public_key.spki, self._now - _DAY),
        ]
        if self.wrong("a directory with the oldest first"):
            keys.reverse()
        if self.wrong("a directory with three redeemable keys"):
            keys += [
                TokenKey(2, key.public_key.spki, self._now - n * _DAY)
                for n, key in enumerate(self._others, 2)
            ]
        if self.wrong("a directory without moments"):
            keys[0] = TokenKey(2, self._signer.public_key.spki)
            del keys[1:]
        if self.wrong("a directory with a key of another kind"):
            keys.append(TokenKey(2, b"no key", self._now - 2 * _DAY))
        if self.wrong("a directory with two keys of one short id"):
            keys += _alike(self._now - _DAY)
        uri = f"{self.issuer}/token-request"
        if self.wrong("a directory with a relative URI"):
            uri = "/token-request"
        if self.wrong("a directory with another server's URI"):
            uri = f"{self.relay}/token-request"
        body = IssuerDirectory(uri, tuple(keys)).to_json()
        return body[:-1] if self.wrong("a directory that is cut") else body

    async def _at_gateway(self, request: web.Request) -> web.Response:
        if request.path == "/challenge":
            return self._published(request, self._challenge(), "application/json")
        if request.path != "/.well-known/ohttp-gateway":
            return (
                web.Response(text="ok") if self.wrong("a gateway with a page for any path") else problem(404)
            )
        if request.method == "POST":
            return await self._gateway.message(request)
        if request.method == "GET" and not self.wrong("a gateway without discovery"):
            return self._published(request, self._gateway.published(), media.KEYS)
        if self.wrong("a gateway with 400 for a wrong method"):
            return problem(400)
        return problem(405 if request.method != "GET" else 404, {"Allow": "GET, POST"})

    async def _at_issuer(self, request: web.Request) -> web.Response:
        if request.path == _WELL_KNOWN:
            kind = "application/json" if self.wrong("a directory of plain JSON") else directory.MEDIA_TYPE
            return self._published(request, self._directory(), kind)
        if request.path != "/token-request":
            return (
                web.Response(text="ok") if self.wrong("an issuer with a page for any path") else problem(404)
            )
        if request.method != "POST":
            return problem(405, {} if self.wrong("an issuer without Allow") else {"Allow": "POST"})
        return await self._tokens(request)

    async def _tokens(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization")
        if given != f"Bearer {CREDENTIAL}" and not self.wrong("an issuer that asks for no credential"):
            return problem(401, {"WWW-Authenticate": "Bearer"})
        if (request.content_length or 0) > 1 << 20:
            if self.wrong("an issuer that reads before it refuses"):
                await request.read()
            return problem(413)
        body = await request.read()
        if request.content_type == issuing.REQUEST_MEDIA_TYPE:
            return self._single(body)
        if request.content_type != batch.REQUEST_MEDIA_TYPE:
            return problem(200 if self.wrong("an issuer that takes any media type") else 415)
        if len(body) < 100:
            return problem(500 if self.wrong("an issuer that fails on a bad batch") else 422)
        asked = GenericBatchTokenRequest.decode(body, limit=10).token_requests
        signed = blind_rsa.issue([blind_rsa.TokenRequest.decode(one) for one in asked], self._signer)
        encoded = [one.encode() for one in signed]
        if self.wrong("an issuer that marks a token"):
            encoded[0] = encoded[0][:-1] + bytes([encoded[0][-1] ^ 1])
        if self.wrong("an issuer that grants too few"):
            encoded.pop()
        answer = GenericBatchTokenResponse(tuple(GenericTokenResponse(2, one) for one in encoded)).encode()
        return web.Response(body=answer, headers={"Content-Type": batch.RESPONSE_MEDIA_TYPE})

    def _single(self, body: bytes) -> web.Response:
        asked = blind_rsa.TokenRequest.decode(body)
        if asked.truncated_token_key_id == self._next.public_key.key_id[-1]:
            if self.wrong("an issuer that signs ahead of time"):
                (signed,) = blind_rsa.issue([asked], self._next)
                return web.Response(body=signed.encode())
        elif self.wrong("an issuer that signs under any key id"):
            return web.Response(body=bytes(256))
        return problem(422)


@cache
def _distinct(count: int) -> list[RsaPrivateKey]:
    """Return keys with different truncated ids."""
    found: dict[int, RsaPrivateKey] = {}
    for number in itertools.count():
        key = rsa.private_key(number)
        found.setdefault(key.public_key.key_id[-1], key)
        if len(found) == count:
            return list(found.values())
    raise AssertionError


def _alike(not_before: int) -> list[TokenKey]:
    """Return two keys of a type that nobody looks into, with the same last byte of their ids."""
    found: dict[int, bytes] = {}
    for number in range(1_000):
        key = b"key %d" % number
        last = hashlib.sha256(key).digest()[-1]
        if last in found:
            return [TokenKey(0xFFF0, one, not_before - n) for n, one in enumerate((found[last], key))]
        found[last] = key
    raise AssertionError("no two of a thousand are alike")


async def _without_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
