"""A small deployment inside the test's process: the real issuer, gateway, relay and second mirror.

    async with world_running(folder) as world:
        trust = await Trust.fetch(world.endpoints)

The target is one of `support.targets`. A party is replaced by giving the client other
endpoints (`world.with_relay(url)`, …).
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession, web
from support import targets
from support.issuers import WEEK, add_account, made_key
from support.ports import free_ports

import gateway.app
import issuer.app
import relay.app
from gateway.config import GatewayConfig
from issuer.config import IssuerConfig
from relay.config import RelayConfig
from tacita.client.endpoints import Endpoints
from tacita.client.issuance import fetch_tokens
from tacita.client.session import Session
from tacita.client.trust import Trust
from tacita.client.wallet import Wallet
from tacita.service.config import Listen
from tacita.service.listening import serving
from tacita.service.run import Service, public

__all__ = ["Middle", "World", "served", "world_running"]

TYPES = ("blind-rsa",)

_LISTEN = {"listen": {}, "admin": {}}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class World:
    """Everything a client and its adversaries need."""

    folder: Path
    endpoints: Endpoints
    credential: str
    target: targets.Target
    gateway: Service
    issuer: Service

    async def trust(self) -> Trust:
        return await Trust.fetch(self.endpoints)

    @asynccontextmanager
    async def session(self, tokens: int = 1, **parts: Any) -> AsyncIterator[Session]:
        """Open a session over a new wallet with `tokens` tokens; `self.wallet` looks into that."""
        trust = await self.trust()
        with self.wallet() as wallet:
            if tokens:
                wallet.add(await fetch_tokens(self.endpoints.issuer, trust, self.credential, tokens))
            async with Session(parts.pop("endpoints", self.endpoints), trust, wallet, **parts) as session:
                yield session

    @contextmanager
    def wallet(self) -> Iterator[Wallet]:
        with Wallet.open(self.folder / "wallet.sqlite") as wallet:
            yield wallet

    async def left(self) -> int:
        """Return how many tokens the wallet has."""
        trust = await self.trust()
        with self.wallet() as wallet:
            return wallet.count(trust.challenge.digest(), trust.token_key_ids())

    def with_relay(self, origin: str) -> Endpoints:
        """Return endpoints whose relay takes messages at `origin`; its mirror stays."""
        relay = msgspec.structs.replace(self.endpoints.relay, messages=f"{origin}/gateway")
        return msgspec.structs.replace(self.endpoints, relay=relay)

    def with_documents(self, party: str, **urls: str) -> Endpoints:
        """Return endpoints in which `party` ("relay" or "mirror") has documents elsewhere."""
        changed = msgspec.structs.replace(getattr(self.endpoints, party), **urls)
        return msgspec.structs.replace(self.endpoints, **{party: changed})

    def with_issuer(self, origin: str) -> Endpoints:
        """Return endpoints whose issuer is at `origin`."""
        table = msgspec.structs.replace(self.endpoints.issuer, token_request=f"{origin}/token-request")
        return msgspec.structs.replace(self.endpoints, issuer=table)


@dataclass
class Middle:
    """A relay that records what it gets, forwards it to a real one, and changes the answers."""

    onward: str
    change: Callable[[int, int, bytes], tuple[int, bytes]] = lambda _number, status, body: (status, body)
    sent: list[bytes] = field(default_factory=list)
    heads: list[list[tuple[str, str]]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        message = await request.read()
        self.sent.append(message)
        self.heads.append(list(request.headers.items()))
        headers = {"Content-Type": request.content_type, "Incremental": "?1"}
        async with (
            ClientSession() as session,
            session.post(self.onward, data=message, headers=headers) as answer,
        ):
            status, body = self.change(len(self.sent), answer.status, await answer.read())
            self.received.append(body)
            kind = {"Content-Type": answer.headers["Content-Type"]}
            return web.Response(status=status, body=body, headers=kind)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Serve every request with `handler`; give the origin."""
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@cache
def _key_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tacita-test-key-"))
    made_key(folder)
    return folder


@asynccontextmanager
async def world_running(
    folder: Path, *, types: Sequence[str] = TYPES, key_period: int = WEEK, limit: int = 100
) -> AsyncIterator[World]:
    """Run the deployment with its files in `folder`: issuer keys of `types` that turn over by `key_period`.

    Credentials can be presented `limit` times.
    """
    async with AsyncExitStack() as stack:
        ports = dict(zip(("issuer", "relay", "mirror", "gateway"), free_ports(4), strict=True))
        url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        target = await stack.enter_async_context(
            targets.Target.at(stack.enter_context(targets.reserved_port()))
        )
        if (types, key_period) == (TYPES, WEEK):
            shutil.copytree(_key_folder(), folder / "keys")
        keys = {"folder": "keys", "create_key": True, "types": types, "period_seconds": key_period}
        trusted = {"token_types": types, "presentation_limit": limit}
        if "arc" in types:
            trusted["key_folder"] = "keys"
        credential = add_account(folder, "alice")["Authorization"].removeprefix("Bearer ")
        issuing = await issuer.app.build(_config(folder, IssuerConfig, _issuer(url, keys, limit)))
        await stack.enter_async_context(_serving(issuing, ports["issuer"]))
        gating = await gateway.app.build(_config(folder, GatewayConfig, _gateway(url, target.url, trusted)))
        await stack.enter_async_context(_serving(gating, ports["gateway"]))
        relays = [
            await relay.app.build(_config(folder, RelayConfig, _relay(url, mirror_only=only)))
            for only in (False, True)
        ]
        for service, name in zip(relays, ("relay", "mirror"), strict=True):
            await stack.enter_async_context(_serving(service, ports[name]))
        for service in (issuing, gating, *relays):
            await _until_ready(service)
        endpoints = msgspec.convert(_endpoints(folder, url, target.url), Endpoints, dec_hook=_path)
        yield World(folder, endpoints, credential, target, gating, issuing)


def _path(kind: type, value: object) -> object:
    return kind(value)


def _config(folder: Path, kind: type[Any], table: dict[str, Any]) -> Any:
    return msgspec.convert({**_LISTEN, **table}, kind, dec_hook=lambda _kind, value: folder / value)


def _issuer(url: dict[str, str], keys: dict[str, Any], limit: int) -> dict[str, Any]:
    return {
        "public_url": url["issuer"],
        "attester": {"kind": "api-key", "accounts": "accounts.json"},
        "keys": keys,
        "presentation_limit": limit,
        "quota": {"database": "quota.sqlite", "hash_key": "quota.key"},
        "tiers": {"standard": 1000},
    }


def _gateway(url: dict[str, str], target: str, trusted: dict[str, Any]) -> dict[str, Any]:
    return {
        "authority": target.partition("://")[2],
        "keys": {"state": "keys.json"},
        "issuers": [
            {
                "name": url["issuer"].partition("://")[2],
                # From the issuer itself, for a start without waiting for the mirror.
                "directory": f"{url['issuer']}/.well-known/private-token-issuer-directory",
                **trusted,
            }
        ],
        "store": {"sqlite": "spent.sqlite"},
        "targets": [{"origin": target, "private": True}],
        "drain_seconds": 0.5,
    }


def _relay(url: dict[str, str], *, mirror_only: bool) -> dict[str, Any]:
    entry = {
        "name": "gateway",
        "url": f"{url['gateway']}{gateway.app.MESSAGE_PATH}",
        "challenge_url": f"{url['gateway']}/challenge",
        "issuer_directory_url": f"{url['issuer']}/.well-known/private-token-issuer-directory",
        "mirror_only": mirror_only,
    }
    return {"gateways": [entry], "drain_seconds": 0.5}


def _endpoints(folder: Path, url: dict[str, str], target: str) -> dict[str, Any]:
    def mirror(origin: str) -> dict[str, str]:
        base = f"{origin}/gateway"
        return {
            "gateway_keys": f"{base}/keys",
            "challenge": f"{base}/challenge",
            "issuer_directory": f"{base}/issuer-directory",
        }

    return {
        "issuer": {
            "token_request": f"{url['issuer']}/token-request",
            "credential": str(folder / "credential"),
        },
        "relay": {"messages": f"{url['relay']}/gateway", **mirror(url["relay"])},
        "mirror": mirror(url["mirror"]),
        "gateway": {"messages": f"{url['gateway']}{gateway.app.MESSAGE_PATH}"},
        "target": {"url": target},
    }


@asynccontextmanager
async def _serving(service: Service, port: int) -> AsyncIterator[None]:
    # What would drain for half a minute is over when a test is.
    async with serving(public(replace(service, drain_seconds=0.5)), Listen(port=port)):
        yield


async def _until_ready(service: Service) -> None:
    async with asyncio.timeout(20):
        while not service.readiness.ready:  # noqa: ASYNC110 (readiness has no event)
            await asyncio.sleep(0.01)
