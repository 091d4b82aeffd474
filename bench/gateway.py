"""The gateway between a load of sealed requests and a target that costs nothing, by what it has to do."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.load import http_request
from bench.server import role
from bench.targets import Answers, fixed_server
from tacita.bhttp import Request, RequestHead, encode_request
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.ohttp import KeyConfig, keyconfig, media, oneshot
from tacita.privacypass import auth, directory
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import blind_rsa

__all__ = ["PATH", "Gateway", "gateway"]

PATH = "/.well-known/ohttp-gateway"
_FIELDS = (
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"bench"),
    (b"accept-language", b"en"),
)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway, and all that is needed to make requests for it."""

    pid: int
    port: int
    authority: bytes
    config: KeyConfig
    challenge: TokenChallenge
    key: RsaPrivateKey
    mirror: int
    """The port at which the issuer's directory is to be had."""

    def messages(self, count: int, *, tokens: bool, size: int = 400) -> list[bytes]:
        """Return `count` sealed requests of `size` bytes of content, each paid for with a token if wanted."""
        sealed = []
        for plain in self.plain(count, tokens=tokens, size=size):
            body, _ = oneshot.encapsulate_request(self.config, plain)
            sealed.append(http_request(PATH, body, ("Content-Type", media.REQUEST)))
        return sealed

    def plain(self, count: int, *, tokens: bool, size: int = 400) -> list[bytes]:
        """Return what is inside of such requests (Binary HTTP)."""
        paid = self.authorizations(count) if tokens else [()] * count
        heads = (
            RequestHead(b"POST", b"http", self.authority, b"/v1/chat", (*_FIELDS, *fields)) for fields in paid
        )
        return [encode_request(Request(head, b"q" * size)) for head in heads]

    def authorizations(self, count: int) -> list[tuple[tuple[bytes, bytes]]]:
        """Return the field with a new token, `count` times."""
        public, signer = self.key.public_key, best_signer(self.key)
        made = [blind_rsa.request(self.challenge.encode(), public) for _ in range(count)]
        issued = blind_rsa.issue([request for request, _ in made], signer)
        tokens = [
            blind_rsa.finalize(pending, response) for (_, pending), response in zip(made, issued, strict=True)
        ]
        return [((b"authorization", auth.format_authorization(token)),) for token in tokens]


def _answers(size: int) -> Answers:
    return {b"": ("application/json", json.dumps({"answer": "x" * size}).encode())}


@asynccontextmanager
async def gateway(
    folder: Path,
    store: Mapping[str, Any],
    *,
    token: bool,
    target: int | None = None,
    budget: Mapping[str, int] | None = None,
    answer: int = 380,
    workers: int = 1,
) -> AsyncIterator[Gateway]:
    """Run a gateway with the spent store `store`, in front of a target that costs a token or not.

    It is a server at the port `target`, or one that gives a fixed answer of about `answer` bytes. `budget`
    is what a token buys.
    """
    key = RsaPrivateKey.generate()
    listed = IssuerDirectory(
        "/token-request", (TokenKey(blind_rsa.TOKEN_TYPE, key.public_key.spki, int(time.time()) - 60),)
    )
    issuer = {b"": (directory.MEDIA_TYPE, listed.to_json())}
    async with fixed_server(_answers(answer)) as fixed, fixed_server(issuer) as mirror:
        authority = f"127.0.0.1:{target or fixed}"
        challenge = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"", (authority,))
        table = {
            "authority": authority,
            "keys": {"state": "chain.key"},
            "issuers": [{"name": "issuer.example", "directory": f"http://127.0.0.1:{mirror}/directory"}],
            # What a run brings without a token is far more than a relay may on average.
            "replay": {"requests_per_second": 1_000},
            "store": dict(store),
            "token": dict(budget or {}),
            "targets": [{"origin": f"http://{authority}", "private": True, "token": token}],
        }
        async with (
            role("gateway", folder, table, workers=workers) as (pid, port),
            aiohttp.ClientSession() as session,
        ):
            async with session.get(f"http://127.0.0.1:{port}{PATH}") as response:
                config = keyconfig.select(keyconfig.decode_list(await response.read()))
            yield Gateway(pid, port, authority.encode(), config, challenge, key, mirror)
