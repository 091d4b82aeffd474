"""The issuer's cells of the table of errors, for one token and for a batch of them (RFC 9578, 5.3)."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support import raw_http, rsa
from support.issuers import Asked, add_account, ask_batch, ask_one, charged, config_text, made_key

from issuer.app import build
from issuer.config import IssuerConfig
from issuer.period import Period
from issuer.token_requests import PATH
from tacita.crypto.rsa_keys import RsaPublicKey
from tacita.service.config import load
from tacita.service.listening import serving
from tacita.service.run import public

QUOTA = 2
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


class Issuer:
    """A running issuer, its key, and who may ask."""

    def __init__(self, folder: Path, port: int, key: RsaPublicKey, account: dict[str, str]) -> None:
        self.folder = folder
        self.key = key
        self._port = port
        self._account = account

    def asked(self, kind: str, count: int = 1, key: RsaPublicKey | None = None) -> Asked:
        """Return a request of the kind `kind` for `count` tokens."""
        key = key or self.key
        return ask_one(key) if kind == "one" else ask_batch(count, key)

    async def ask(self, media_type: str, body: bytes) -> tuple[bytes, bytes]:
        """Return head and body of the answer."""
        lines = [f"POST {PATH} HTTP/1.1", "Host: issuer.example", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self._account.items()]
        lines += [f"Content-Type: {media_type}"] if media_type else []
        async with raw_http.connection(self._port) as (reader, writer):
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            head = await raw_http.read_head(reader)
            return head, await raw_http.read_body(reader, head)

    async def refused(self, media_type: str, body: bytes, status: int) -> tuple[dict[str, str], str, str]:
        """Expect a problem document; return its header fields, type and sentence."""
        head, answer = await self.ask(media_type, body)
        named, document = raw_http.fields(head), json.loads(answer)
        assert head.startswith(b"HTTP/1.1 %d " % status), head
        assert named["content-type"] == "application/problem+json"
        assert named["cache-control"] == "no-store"
        assert document["status"] == status
        return named, document["type"], document["detail"]


@asynccontextmanager
async def issuer_running(folder: Path) -> AsyncIterator[Issuer]:
    """Run an issuer as the shell does."""
    (folder / "issuer.toml").write_text(config_text(quota=QUOTA))
    account = add_account(folder, "alice")
    key = made_key(folder / "keys")
    service = await build(load(folder / "issuer.toml", IssuerConfig))
    async with serving(public(service)) as running:
        yield Issuer(folder, running.port, key, account)


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    async with issuer_running(tmp_path) as running:
        yield running


BOTH = pytest.mark.parametrize("kind", ["one", "batch"])


@BOTH
@pytest.mark.parametrize("change", ["nothing", "cut", "longer", "another type"])
async def test_a_malformed_request_is_422(issuer: Issuer, kind: str, change: str) -> None:
    asked = issuer.asked(kind)
    body = {
        "nothing": b"",
        "cut": asked.body[:-1],
        "longer": asked.body + b"\0",
        "another type": b"\xff\xff" + asked.body[2:],
    }[change]
    await issuer.refused(asked.media_type, body, 422)
    assert charged(issuer.folder) == []


async def test_an_unknown_key_is_422(issuer: Issuer) -> None:
    asked = issuer.asked("one", key=rsa.private_key(1).public_key)
    await issuer.refused(asked.media_type, asked.body, 422)
    assert charged(issuer.folder) == []


async def test_a_batch_of_which_nothing_can_be_issued_is_400(issuer: Issuer) -> None:
    asked = issuer.asked("batch", key=rsa.private_key(1).public_key)
    await issuer.refused(asked.media_type, asked.body, 400)
    assert charged(issuer.folder) == []


@BOTH
@pytest.mark.parametrize("media_type", ["text/plain", "application/private-token-response", ""])
async def test_another_media_type_is_415(issuer: Issuer, kind: str, media_type: str) -> None:
    await issuer.refused(media_type, issuer.asked(kind).body, 415)
    assert charged(issuer.folder) == []


@BOTH
async def test_over_quota_is_429_with_the_time_the_period_ends(issuer: Issuer, kind: str) -> None:
    if kind == "one":
        for _ in range(QUOTA):
            bought = issuer.asked(kind)
            head, _ = await issuer.ask(bought.media_type, bought.body)
            assert head.startswith(b"HTTP/1.1 200 ")
    asked = issuer.asked(kind, QUOTA + 1)
    period = Period.at(time.time(), 2_592_000)
    named, problem_type, sentence = await issuer.refused(asked.media_type, asked.body, 429)
    assert problem_type == QUOTA_EXCEEDED
    assert period.end_text in sentence
    assert abs(int(named["retry-after"]) - (period.end - time.time())) < 60
