"""The issuer inside another aiohttp application."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from support.issuers import ask_batch, charged, issuing_keys

import issuer
from issuer.attesters import Account, Evidence
from issuer.directory import WELL_KNOWN
from issuer.errors import CredentialRefused
from issuer.keys import LiveKeys, fixed
from issuer.limits import Limits
from issuer.quota.sqlite import SqliteQuota
from issuer.token_requests import PATH
from tacita.privacypass.directory import IssuerDirectory


class Members:
    """An attester of the embedder's own."""

    def __init__(self) -> None:
        self.closed = False

    async def __aenter__(self) -> "Members":
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.closed = True

    async def attest(self, evidence: Evidence) -> Account:
        if evidence.headers.get("Cookie") != "member=1":
            raise CredentialRefused
        return Account("1", 10)

    async def check(self) -> None:
        pass


@pytest.fixture
def members() -> Members:
    return Members()


@pytest.fixture
async def port(tmp_path: Path, members: Members) -> AsyncIterator[int]:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    mounted = issuer.create_app(
        "https://members.example/tokens",
        keys=issuing_keys(),
        attester=members,
        quota=SqliteQuota(tmp_path / "quota.sqlite", bytes(32), 86_400),
        limits=Limits(max_batch=8),
    )
    app.add_subapp("/tokens", mounted)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()
    assert members.closed


async def test_it_serves_under_its_prefix(port: int, tmp_path: Path) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/") as response:
            assert await response.text() == "hello"
        async with session.get("/tokens" + WELL_KNOWN) as response:
            directory = IssuerDirectory.from_json(await response.read())
        assert directory.issuer_request_uri == "https://members.example/tokens" + PATH
        asked = ask_batch(8)
        member = asked.headers | {"Cookie": "member=1"}
        async with session.post("/tokens" + PATH, data=asked.body, headers=member) as response:
            assert len(asked.tokens(await response.read())) == 8
        assert charged(tmp_path) == [8]
        for body, headers, status in (
            (asked.body, asked.headers, 401),
            (ask_batch(9).body, member, 413),
            (ask_batch(8).body, member, 429),
        ):
            async with session.post("/tokens" + PATH, data=body, headers=headers) as response:
                assert (response.status, response.content_type) == (status, "application/problem+json")


def test_the_package_offers_it_and_nothing_else() -> None:
    assert issuer.create_app.__module__ == "issuer.app"
    with pytest.raises(AttributeError):
        _ = issuer.create_application  # type: ignore[attr-defined]


def test_the_package_itself_imports_nothing() -> None:
    code = "import sys, issuer; sys.exit('aiohttp' in sys.modules or 'cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_keys_that_turn_over_are_asked_for_each_time(tmp_path: Path, members: Members) -> None:
    asked = 0

    def source() -> LiveKeys:
        nonlocal asked
        asked += 1
        return fixed(issuing_keys())()

    app = issuer.create_app(
        "https://members.example",
        keys=source,
        attester=members,
        quota=SqliteQuota(tmp_path / "quota.sqlite", bytes(32), 86_400),
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
        for _ in range(2):
            async with session.get(WELL_KNOWN) as response:
                assert response.status == 200
    await runner.cleanup()
    assert asked == 2
