"""The operator's own service, on a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contracts.attester import AttesterContract
from multidict import CIMultiDict
from support.certificates import self_signed
from support.clocks import Clock
from support.json_server import JsonServer, json_server
from support.ports import free_port

from issuer.attesters import Attester, Evidence
from issuer.attesters.config import WebhookConfig
from issuer.attesters.webhook import WebhookAttester
from issuer.errors import AttesterUnavailable, Busy, CredentialMissing, CredentialRefused
from tacita.errors import ConfigError
from tacita.net.tls import client_context, server_context

TIERS = {"standard": 20, "large": 200}
SECRET = "a-secret-that-nobody-guesses"
ALICE = {"account": "alice-of-the-canaries", "tier": "standard"}


def evidence(**fields: str) -> Evidence:
    return Evidence(CIMultiDict({name.replace("_", "-"): value for name, value in fields.items()}))


ALICE_ASKS = evidence(Authorization="Bearer credential-of-alice")


@pytest.fixture
async def server() -> AsyncIterator[JsonServer]:
    async with json_server() as running:
        lists = {"Bearer credential-of-alice": ALICE}
        running.lists = lists  # type: ignore[attr-defined]

        async def answer(question: bytes) -> tuple[int, bytes]:
            credential = json.loads(question)["credential"]
            found = lists.get(credential.get("authorization", ""))
            return (200, json.dumps(found).encode()) if found else (401, b"")

        running.answer = answer
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "webhook.secret"
    path.touch(mode=0o600)
    path.write_text(SECRET + "\n")
    return path


def attester(server: JsonServer, secret: Path, clock: Clock | None = None, **more: Any) -> WebhookAttester:
    config = WebhookConfig(url=server.url, secret=secret, **more)
    return WebhookAttester(config, TIERS, None, clock=clock or Clock(0))


class TestContract(AttesterContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: JsonServer, secret: Path) -> None:
        self.server, self.secret = server, secret

    def make(self) -> Attester:
        return attester(self.server, self.secret)

    async def vouched(self) -> Evidence:
        return ALICE_ASKS

    async def wrong(self) -> Evidence:
        return evidence(Authorization="Bearer credential-of-mallory")

    async def withdraw(self) -> None:
        self.server.lists.clear()  # type: ignore[attr-defined]

    async def break_down(self) -> None:
        await self.server.stop()


async def test_the_service_is_told_the_credential_and_no_more(server: JsonServer, secret: Path) -> None:
    fields = evidence(
        Authorization="Bearer credential-of-alice", X_Api_Key="k", Cookie="c", User_Agent="u", Forwarded="f"
    )
    async with attester(server, secret) as one:
        assert (await one.attest(fields)).quota == 20
    ((headers, body),) = server.asked
    assert json.loads(body) == {"credential": {"authorization": "Bearer credential-of-alice"}}
    assert headers.pop("host").startswith("127.0.0.1:")
    assert headers.pop("content-length") == str(len(body))
    assert headers == {
        "authorization": f"Bearer {SECRET}",
        "content-type": "application/json",
        "accept": "application/json",
    }


async def test_the_fields_that_are_configured(server: JsonServer, secret: Path) -> None:
    async with attester(server, secret, headers=("X-Api-Key", "X-Device")) as one:
        with pytest.raises(CredentialRefused):
            await one.attest(evidence(Authorization="Bearer credential-of-alice", x_api_key="k"))
        for nothing in (evidence(Authorization="Bearer credential-of-alice"), evidence(x_api_key="")):
            with pytest.raises(CredentialMissing):
                await one.attest(nothing)
    assert [json.loads(body) for _, body in server.asked] == [{"credential": {"x-api-key": "k"}}]


@pytest.mark.parametrize(
    "values", [["Bearer credential-of-alice"] * 2, ["x" * 8_193], ["\udcff"], ["Bearer \u00e9"]]
)
async def test_fields_that_are_not_passed_on(server: JsonServer, secret: Path, values: list[str]) -> None:
    fields = CIMultiDict([("Authorization", value) for value in values])
    async with attester(server, secret) as one:
        with pytest.raises(CredentialRefused):
            await one.attest(Evidence(fields))
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"{}"),
        (200, b"true"),
        (200, b"\xff"),
        (200, b"[" * 4_000),
        (200, b'{"account":"alice"}'),
        (200, b'{"account":"alice","tier":"gold"}'),
        (200, b'{"account":"","tier":"standard"}'),
        (200, b'{"account":null,"tier":"standard"}'),
        (200, b'{"account":"' + b"x" * 257 + b'","tier":"standard"}'),
        (200, b'{"account":"alice","tier":"standard"}' + b" " * 4_096),
        (201, b'{"account":"alice","tier":"standard"}'),
        (204, b""),
        (302, b""),
        (404, b""),
        (429, b""),
        (500, b'{"account":"alice","tier":"standard"}'),
        (503, b""),
    ],
)
async def test_any_other_answer_lets_nobody_in(
    server: JsonServer, secret: Path, status: int, body: bytes
) -> None:
    server.says(status, body)
    async with attester(server, secret) as one:
        with pytest.raises(AttesterUnavailable):
            await one.attest(ALICE_ASKS)
    assert len(server.asked) == 1  # nothing is asked twice


@pytest.mark.parametrize("content_type", ["text/html", ""])
async def test_another_media_type_lets_nobody_in(server: JsonServer, secret: Path, content_type: str) -> None:
    server.content_type = content_type
    async with attester(server, secret) as one:
        with pytest.raises(AttesterUnavailable):
            await one.attest(ALICE_ASKS)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal(server: JsonServer, secret: Path, status: int) -> None:
    server.says(status, b'{"account":"alice","tier":"standard"}')
    async with attester(server, secret) as one:
        with pytest.raises(CredentialRefused):
            await one.attest(ALICE_ASKS)


async def test_the_tier_is_the_service_s_to_say(server: JsonServer, secret: Path) -> None:
    server.says(200, b'{"account":"alice","tier":"large","more":1}')
    async with attester(server, secret) as one:
        assert (await one.attest(ALICE_ASKS)).quota == 200


async def test_a_service_that_takes_too_long(server: JsonServer, secret: Path) -> None:
    async def answer(_question: bytes) -> tuple[int, bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    server.answer = answer
    async with attester(server, secret, seconds=0.05) as one:
        with pytest.raises(AttesterUnavailable):
            await one.attest(ALICE_ASKS)


async def test_questions_at_a_time_are_bounded(server: JsonServer, secret: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_question: bytes) -> tuple[int, bytes]:
        begun.set()
        await go_on.wait()
        return 200, json.dumps(ALICE).encode()

    server.answer = answer
    async with attester(server, secret, connections=1) as one:
        first = asyncio.create_task(one.attest(ALICE_ASKS))
        await begun.wait()
        with pytest.raises(Busy):
            await one.attest(ALICE_ASKS)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go_on.set()
        assert await one.attest(ALICE_ASKS)


async def test_a_service_that_vouches_for_anybody(server: JsonServer, secret: Path) -> None:
    clock, answer = Clock(0), server.answer
    server.says(200, json.dumps(ALICE).encode())
    async with attester(server, secret, clock) as one:
        for asked in (one.check(), one.attest(ALICE_ASKS)):
            with pytest.raises(AttesterUnavailable):
                await asked
        server.answer = answer
        await one.check()
        assert await one.attest(ALICE_ASKS)


async def test_how_often_it_is_asked_about_nobody(server: JsonServer, secret: Path) -> None:
    clock = Clock(0)
    async with attester(server, secret, clock) as one:
        for now in range(11):
            clock.now = now
            await one.check()
        assert [body for _, body in server.asked] == [b'{"credential":{}}'] * 3
        await server.stop()
        with pytest.raises(AttesterUnavailable):
            await one.attest(ALICE_ASKS)
        with pytest.raises(AttesterUnavailable):
            await one.check()  # at once, after a failure
        await server.start()
        await one.check()


async def test_nothing_is_remembered_unless_it_is_wanted(server: JsonServer, secret: Path) -> None:
    async with attester(server, secret) as one:
        for _ in range(3):
            await one.attest(ALICE_ASKS)
    assert len(server.asked) == 3


async def test_an_answer_is_remembered_for_its_time(server: JsonServer, secret: Path) -> None:
    clock = Clock(0)
    async with attester(server, secret, clock, cache_seconds=60) as one:
        first = await one.attest(ALICE_ASKS)
        server.lists.clear()  # type: ignore[attr-defined]
        clock.now = 59
        assert await one.attest(ALICE_ASKS) == first
        clock.now = 60
        for _ in range(2):  # refusals are not remembered
            with pytest.raises(CredentialRefused):
                await one.attest(ALICE_ASKS)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "content", ["", "short", "with space in the middle", "é" * 20, "line\nbreak-in-the-middle"]
)
def test_secrets_that_cannot_be_sent(tmp_path: Path, secret: Path, content: str) -> None:
    secret.write_text(content)
    with pytest.raises(ConfigError):
        WebhookAttester(WebhookConfig(url="https://hook.example/", secret=secret), TIERS, None)


def test_a_secret_that_others_can_read(secret: Path) -> None:
    secret.chmod(0o644)
    with pytest.raises(ConfigError):
        WebhookAttester(WebhookConfig(url="https://hook.example/", secret=secret), TIERS, None)


async def test_over_tls_only_to_whom_we_trust(tmp_path: Path, secret: Path) -> None:
    certificate, key = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other")
    async with json_server(server_context(certificate, key)) as server:
        server.says(200, json.dumps(ALICE).encode())
        config = WebhookConfig(url=server.url, secret=secret)
        async with WebhookAttester(config, TIERS, client_context(certificate)) as one:
            assert await one.attest(ALICE_ASKS)
        async with WebhookAttester(config, TIERS, client_context(other)) as one:
            with pytest.raises(AttesterUnavailable):
                await one.attest(ALICE_ASKS)
    assert len(server.asked) == 1


async def test_nobody_is_there(secret: Path) -> None:
    async with attester(JsonServer(port=free_port()), secret) as one:
        with pytest.raises(AttesterUnavailable):
            await one.attest(ALICE_ASKS)
