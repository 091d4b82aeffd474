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
from bench.targets import fixed_server
from tacita.bhttp import Request, RequestHead, encode_request
from tacita.crypto.rsa_keys import RsaPrivateKey
from tacita.crypto.signer import best_signer
from tacita.ohttp import KeyConfig, keyconfig, media, oneshot
from tacita.privacypass import auth, directory
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.types import blind_rsa

__all__ = ["Gateway", "gateway"]

_PATH = "/.well-known/ohttp-gateway"
_TARGET = {b"": ("application/json", json.dumps({"answer": "x" * 380}).encode())}
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

    def messages(self, count: int, *, tokens: bool) -> list[bytes]:
        """Return `count` sealed requests with 400 bytes of content, each paid for with a token if wanted."""
        paid = self._authorizations(count) if tokens else [()] * count
        sealed = []
        for fields in paid:
            head = RequestHead(b"POST", b"http", self.authority, b"/v1/chat", (*_FIELDS, *fields))
            body, _ = oneshot.encapsulate_request(self.config, encode_request(Request(head, b"q" * 400)))
            sealed.append(http_request(_PATH, body, ("Content-Type", media.REQUEST)))
        return sealed

    def _authorizations(self, count: int) -> list[tuple[tuple[bytes, bytes]]]:
        public, signer = self.key.public_key, best_signer(self.key)
        made = [blind_rsa.request(self.challenge.encode(), public) for _ in range(count)]
        issued = blind_rsa.issue([request for request, _ in made], signer)
        tokens = [
            blind_rsa.finalize(pending, response) for (_, pending), response in zip(made, issued, strict=True)
        ]
        return [((b"authorization", auth.format_authorization(token)),) for token in tokens]


@asynccontextmanager
async def gateway(folder: Path, store: Mapping[str, Any], *, token: bool) -> AsyncIterator[Gateway]:
    """Run a gateway with the spent store `store`, in front of a fixed target that costs a token or not."""
    key = RsaPrivateKey.generate()
    listed = IssuerDirectory(
        "/token-request", (TokenKey(blind_rsa.TOKEN_TYPE, key.public_key.spki, int(time.time()) - 60),)
    )
    issuer = {b"": (directory.MEDIA_TYPE, listed.to_json())}
    async with fixed_server(_TARGET) as target, fixed_server(issuer) as mirror:
        authority = f"127.0.0.1:{target}"
        challenge = TokenChallenge(blind_rsa.TOKEN_TYPE, "issuer.example", b"", (authority,))
        table = {
            "authority": authority,
            "keys": {"state": "chain.key"},
            "issuer": {"name": "issuer.example", "directory": f"http://127.0.0.1:{mirror}/directory"},
            "store": dict(store),
            "targets": [{"origin": f"http://{authority}", "token": token}],
        }
        async with role("gateway", folder, table) as (pid, port), aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}{_PATH}") as response:
                config = keyconfig.select(keyconfig.decode_list(await response.read()))
            yield Gateway(pid, port, authority.encode(), config, challenge, key)
