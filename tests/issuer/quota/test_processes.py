"""Two issuers with one quota in Redis, as processes, and what kills in the middle of work do to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import aiohttp
import pytest
from support import processes
from support.issuers import Asked, add_account, ask_batch, config_text, made_key
from support.ports import free_ports
from support.redis_server import DURABLE, RedisServer

from issuer.quota.claims import load_hash_key
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.privacypass.token import Token
from tacita.service.exits import EXIT_CONFIG, EXIT_TEMPORARY

pytestmark = pytest.mark.e2e

QUOTA = 90
BATCH = 3
EXTRA = 4
TIERS = f"{{ standard = {QUOTA} }}"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


@dataclass
class Issuers:
    """Two issuers that share their keys, accounts, hash key and Redis."""

    folder: Path
    redis: RedisServer
    key: RsaPublicKey
    ports: list[int]
    running: list[processes.Role] = field(default_factory=list)

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}/token-request" for port in self.ports[:2]]

    def config(self, place: int, tiers: str = TIERS) -> str:
        return (
            config_text(port=self.ports[place], admin_port=self.ports[place + 2], quota=QUOTA)
            .replace('database = "quota.sqlite"', f'redis = "{self.redis.address}"')
            .replace('"quota.key"', json.dumps(str(self.folder / "quota.key")))
            .replace('folder = "keys"', f"folder = {json.dumps(str(self.folder / 'keys'))}")
            .replace('"accounts.json"', json.dumps(str(self.folder / "accounts.json")))
            .replace(TIERS, tiers)
        )

    @asynccontextmanager
    async def one(
        self, place: int, tiers: str = f"{{ standard = {QUOTA} }}"
    ) -> AsyncIterator[processes.Role]:
        folder = self.folder / str(place)
        folder.mkdir(exist_ok=True)
        text = self.config(place, tiers)
        async with processes.role("issuer", text, folder, admin_port=self.ports[place + 2]) as role:
            yield role


@pytest.fixture
def issuers(tmp_path: Path, redis: RedisServer) -> Issuers:
    load_hash_key(tmp_path / "quota.key")
    return Issuers(tmp_path, redis, made_key(tmp_path / "keys"), list(free_ports(4)))


@dataclass
class Client:
    """One account that asks both issuers in turn, and asks again for what it got no answer to."""

    credential: dict[str, str]
    requests: list[Asked]
    go: asyncio.Event
    tokens: list[Token] = field(default_factory=list)
    unanswered: int = 0
    unavailable: int = 0
    refused: int = 0

    async def work(self, session: aiohttp.ClientSession, urls: list[str], workers: int = 2) -> None:
        """Send all requests, several at a time."""
        turns = cycle(urls)

        async def worker() -> None:
            while await self.go.wait() and self.requests:
                asked = self.requests.pop()
                while not await self._ask(session, next(turns), asked):  # noqa: ASYNC110 (no event tells)
                    await asyncio.sleep(0.02)

        await asyncio.gather(*(worker() for _ in range(workers)))

    async def _ask(self, session: aiohttp.ClientSession, url: str, asked: Asked) -> bool:
        try:
            async with session.post(
                url, data=asked.body, headers=self.credential | asked.headers
            ) as response:
                body = await response.read()
        except aiohttp.ClientError:
            self.unanswered += 1
            return False
        if response.status == 503:
            self.unavailable += 1
            return False
        if response.status == 200:
            self.tokens += asked.tokens(body)
        else:
            assert response.status == 429, body
            self.refused += 1
        return True


def clients_of(issuers: Issuers, count: int) -> list[Client]:
    go = asyncio.Event()
    go.set()
    return [
        Client(
            add_account(issuers.folder, f"client-{number}"),
            [ask_batch(BATCH, issuers.key) for _ in range(QUOTA // BATCH + EXTRA)],
            go,
        )
        for number in range(count)
    ]


def charged(redis: RedisServer) -> list[int]:
    names = [name.decode() for name in redis.ask("KEYS", "quota:*")]
    return [int(redis.ask("HGET", name, "tokens")) for name in names if not name.endswith(":about")]


def require_exactly_the_quota(clients: list[Client]) -> None:
    for client in clients:
        assert len(client.tokens) == QUOTA
        assert len({token.nonce for token in client.tokens}) == QUOTA
        assert client.refused == EXTRA


async def test_two_issuers_never_grant_more_than_one_quota(issuers: Issuers) -> None:
    clients = clients_of(issuers, 4)
    async with issuers.one(0), issuers.one(1), aiohttp.ClientSession() as session:
        await asyncio.gather(*(client.work(session, issuers.urls, workers=6) for client in clients))
    require_exactly_the_quota(clients)
    assert charged(issuers.redis) == [QUOTA] * len(clients)


async def test_a_lost_answer_is_given_again_by_the_other_issuer(issuers: Issuers) -> None:
    credential, asked, bodies = add_account(issuers.folder, "alice"), ask_batch(BATCH, issuers.key), []
    async with issuers.one(0), issuers.one(1), aiohttp.ClientSession() as session:
        for url in issuers.urls:
            async with session.post(url, data=asked.body, headers=credential | asked.headers) as response:
                bodies.append(await response.read())
    assert bodies[0] == bodies[1]
    assert len(asked.tokens(bodies[0])) == BATCH
    assert charged(issuers.redis) == [BATCH]


async def test_kill_9_of_issuers_and_redis_loses_no_charge_and_grants_none_twice(issuers: Issuers) -> None:
    clients = clients_of(issuers, 4)

    async def received(share: float) -> None:
        goal = share * QUOTA * len(clients)
        while sum(len(client.tokens) for client in clients) < goal and not work.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async with AsyncExitStack() as first, AsyncExitStack() as second, aiohttp.ClientSession() as session:
        role = await first.enter_async_context(issuers.one(0))
        await second.enter_async_context(issuers.one(1))
        work = asyncio.gather(*(client.work(session, issuers.urls) for client in clients))
        await received(0.2)
        role.process.kill()
        await received(0.4)
        before = sum(len(client.tokens) for client in clients)
        issuers.redis.kill()
        await asyncio.sleep(0.2)
        issuers.redis.start()
        assert sum(charged(issuers.redis)) >= before
        clients[0].go.clear()
        role = await first.enter_async_context(issuers.one(0))
        clients[0].go.set()
        await received(0.7)
        role.process.kill()
        issuers.redis.kill()
        issuers.redis.start()
        await asyncio.wait_for(work, 60)
    assert any(client.unanswered for client in clients)
    assert any(client.unavailable for client in clients)
    require_exactly_the_quota(clients)
    assert charged(issuers.redis) == [QUOTA] * len(clients)


async def test_readiness_follows_redis(issuers: Issuers) -> None:
    async with issuers.one(0) as role:
        issuers.redis.kill()
        await asyncio.wait_for(role.wait_ready(503), 30)
        issuers.redis.start()
        await asyncio.wait_for(role.wait_ready(200), 30)
        assert '"condition_lost","condition":"quota"' in role.output()


async def test_a_burst_limit_holds_over_both_issuers(issuers: Issuers) -> None:
    credential = add_account(issuers.folder, "alice")
    tiers = "{ standard = { tokens = 1000, burst = 100, per_day = 500 } }"
    async with issuers.one(0, tiers), issuers.one(1, tiers), aiohttp.ClientSession() as session:
        granted, problems = 0, set()

        async def ask(url: str) -> None:
            nonlocal granted
            asked = ask_batch(50, issuers.key)
            async with session.post(url, data=asked.body, headers=credential | asked.headers) as response:
                if response.status == 200:
                    granted += len(asked.tokens(await response.read()))
                else:
                    assert response.status == 429
                    assert 0 < int(response.headers["Retry-After"]) <= 60
                    problems.add((await response.json(content_type=None))["type"])

        await asyncio.gather(*(ask(url) for url in issuers.urls * 4))
    assert granted == 100
    assert problems == {"https://tacita.invalid/problems/over-burst"}


async def test_a_redis_that_could_forget_is_refused_at_the_start(issuers: Issuers) -> None:
    issuers.redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    role = await processes.start("issuer", issuers.config(0), issuers.folder, admin_port=issuers.ports[2])
    assert await asyncio.wait_for(role.process.wait(), 30) == EXIT_CONFIG
    assert "noeviction" in role.output()
    assert role.output().count("\n") == 1


async def test_a_redis_that_is_down_at_the_start_is_a_matter_of_time(issuers: Issuers) -> None:
    issuers.redis.kill()
    role = await processes.start("issuer", issuers.config(0), issuers.folder, admin_port=issuers.ports[2])
    assert await asyncio.wait_for(role.process.wait(), 30) == EXIT_TEMPORARY
    assert role.output().splitlines()[-1].startswith("tacita-issuer: ")
