"""The issuer as a process: how it starts, ends, and what a kill in the middle of work does to the quota."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support import processes
from support.issuers import Asked, add_account, ask_batch, charged, config_text, made_key
from support.ports import free_ports

from issuer.quota.claims import load_hash_key
from issuer.quota.sqlite import SqliteQuota
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.privacypass.token import Token
from tacita.service.run import EXIT_CONFIG

pytestmark = pytest.mark.e2e

QUOTA = 150
BATCH = 3


@dataclass
class Place:
    """Where the issuer lives from one start to the next."""

    folder: Path
    port: int
    admin_port: int
    key: RsaPublicKey

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token-request"

    @asynccontextmanager
    async def running(self, **config: Any) -> AsyncIterator[processes.Role]:
        text = config_text(port=self.port, admin_port=self.admin_port, **config)
        async with processes.role("issuer", text, self.folder, admin_port=self.admin_port) as role:
            yield role


@pytest.fixture
def place(tmp_path: Path) -> Place:
    key = made_key(tmp_path / "keys")
    port, admin_port = free_ports(2)
    return Place(tmp_path, port, admin_port, key)


@dataclass
class Client:
    """One account that asks until its quota is used up, and asks again for what it got no answer to."""

    credential: dict[str, str]
    requests: list[Asked]
    tokens: list[Token] = field(default_factory=list)
    unanswered: int = 0
    refused: int = 0

    async def work(self, session: aiohttp.ClientSession, url: str) -> None:
        """Send requests until they are used up or the issuer is gone."""
        while self.requests:
            asked = self.requests[0]
            try:
                headers = self.credential | asked.headers
                async with session.post(url, data=asked.body, headers=headers) as response:
                    body = await response.read()
            except aiohttp.ClientError:
                self.unanswered += 1
                return
            del self.requests[0]
            if response.status == 200:
                self.tokens += asked.tokens(body)
            else:
                assert response.status == 429, body
                self.refused += 1


async def test_sigterm_lets_what_is_under_way_end(place: Place) -> None:
    credential = add_account(place.folder, "alice")
    asked = ask_batch(4000, place.key)  # about a second of signing
    async with (
        place.running(quota=4000, more="max_batch = 4000") as role,
        aiohttp.ClientSession(headers=credential | asked.headers) as session,
    ):
        answer = asyncio.create_task(session.post(place.url, data=asked.body))
        while not answer.done() and charged(place.folder) != [4000]:  # noqa: ASYNC110 (a file tells)
            await asyncio.sleep(0.01)
        role.process.send_signal(signal.SIGTERM)
        await role.wait_ready(503)
        async with await answer as response:
            assert response.status == 200
            assert len(asked.tokens(await response.read())) == 4000
        assert await asyncio.wait_for(role.process.wait(), 30) == 0
        said = role.output()
    assert '"event":"draining"' in said
    assert said.rstrip().endswith('"event":"stopped"}')
    assert "alice" not in said
    assert credential["Authorization"][7:] not in said


async def test_a_start_that_cannot_work_says_why_in_one_sentence(place: Place) -> None:
    (place.folder / "accounts.json").write_bytes(b"{")
    (place.folder / "accounts.json").chmod(0o600)
    text = config_text(port=place.port, admin_port=place.admin_port)
    role = await processes.start("issuer", text, place.folder, admin_port=place.admin_port)
    assert await asyncio.wait_for(role.process.wait(), 30) == EXIT_CONFIG
    assert "is not an accounts file" in role.output()
    assert role.output().count("\n") == 1


async def test_a_clock_behind_the_database_is_fatal(place: Place) -> None:
    key = load_hash_key(place.folder / "quota.key")
    async with SqliteQuota(place.folder / "quota.sqlite", key, 2_592_000, clock=lambda: 9e9) as quota:
        await quota.check()
    text = config_text(port=place.port, admin_port=place.admin_port)
    role = await processes.start("issuer", text, place.folder, admin_port=place.admin_port)
    assert await asyncio.wait_for(role.process.wait(), 30) == EXIT_CONFIG
    assert "clock" in role.output()


async def test_readiness_follows_the_accounts_file(place: Place) -> None:
    async with place.running() as role:
        file = place.folder / "accounts.json"
        file.touch(mode=0o600)
        await asyncio.wait_for(role.wait_ready(503), 30)
        file.unlink()
        await asyncio.wait_for(role.wait_ready(200), 30)
        assert '"condition_lost","condition":"attester"' in role.output()


async def test_kill_9_under_load_loses_no_charge_and_grants_none_twice(place: Place) -> None:
    # More than the quota, so that each client meets its end of it.
    count = QUOTA // BATCH + 3
    clients = [
        Client(
            add_account(place.folder, f"client-{number}"), [ask_batch(BATCH, place.key) for _ in range(count)]
        )
        for number in range(4)
    ]
    received = 0
    for goal in (1, 2, 3):
        async with place.running(quota=QUOTA) as role, aiohttp.ClientSession() as session:
            work = [asyncio.create_task(client.work(session, place.url)) for client in clients]
            while received < goal * QUOTA // 2 and not any(task.done() for task in work):
                await asyncio.sleep(0)
                received = sum(len(client.tokens) for client in clients)
            role.process.kill()
            await asyncio.gather(*work)
        received = sum(len(client.tokens) for client in clients)
        assert sum(charged(place.folder)) >= received
    assert any(client.unanswered for client in clients)

    async with place.running(quota=QUOTA), aiohttp.ClientSession() as session:
        await asyncio.gather(*(client.work(session, place.url) for client in clients))
    for client in clients:
        # What was charged without an answer was answered again: nobody lost a token either.
        assert len(client.tokens) == QUOTA
        assert len({token.nonce for token in client.tokens}) == QUOTA
        assert client.refused == 3
    assert charged(place.folder) == [QUOTA] * len(clients)
