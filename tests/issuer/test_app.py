"""The application over real HTTP: as the shell serves it, on the fast lane, and as whoever embeds it does."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
from support import raw_http, rsa
from support.issuer_hosts import HOSTS, hosted
from support.issuers import add_account, ask_batch, ask_one, charged, config_text, issuing_keys

from issuer.app import EVENTS
from issuer.attesters.api_key import new_api_key
from issuer.attesters.choice import attester_of
from issuer.config import IssuerConfig
from issuer.directory import WELL_KNOWN
from issuer.keys import fixed
from issuer.meters import RESULTS, Meters
from issuer.period import Period
from issuer.quota.sqlite import SqliteQuota
from issuer.token_requests import PATH, longest_body
from tacita.privacypass.directory import IssuerDirectory
from tacita.service.config import load
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics


@dataclass
class Issuer:
    port: int
    session: aiohttp.ClientSession
    folder: Path
    alice: dict[str, str]
    metrics: Metrics
    log: StringIO

    def counted(self, result: str) -> float:
        pattern = f'tacita_issuer_requests_total{{result="{result}"}} (.*)'
        (value,) = re.findall(pattern, self.metrics.render().decode())
        return float(value)


Start = Callable[..., AbstractAsyncContextManager[Issuer]]


@pytest.fixture(params=HOSTS)
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    @asynccontextmanager
    async def started(*, quota: int = 1000, more: str = "") -> AsyncIterator[Issuer]:
        path = tmp_path / "issuer.toml"
        path.write_text(config_text(quota=quota, more=more))
        config = load(path, IssuerConfig)
        alice = add_account(tmp_path, "alice")
        metrics, stream = Metrics("issuer"), StringIO()
        served = hosted(
            request.param,
            config.public_url,
            keys=fixed(issuing_keys()),
            attester=attester_of(config.attester, config.tiers),
            quota=SqliteQuota(config.quota.database, bytes(32), config.quota.period_seconds),
            limits=config.limits,
            meters=Meters(metrics),
            log=Logger("issuer", EVENTS, stream=stream),
        )
        async with served as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield Issuer(port, session, tmp_path, alice, metrics, stream)

    return started


@pytest.fixture
async def issuer(start: Start) -> AsyncIterator[Issuer]:
    async with start() as issuer:
        yield issuer


async def refusal(response: aiohttp.ClientResponse, status: int) -> str:
    assert response.status == status
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    document = await response.json(content_type=None)
    assert document["status"] == status
    assert document["type"]
    return str(document["detail"])


async def test_one_token(issuer: Issuer) -> None:
    asked = ask_one()
    async with issuer.session.post(PATH, data=asked.body, headers=issuer.alice | asked.headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/private-token-response"
        assert response.headers["Cache-Control"] == "no-store"
        assert len(asked.tokens(await response.read())) == 1
    assert issuer.counted("issued") == 1


async def test_a_hundred_tokens(issuer: Issuer) -> None:
    asked = ask_batch(100)
    async with issuer.session.post(PATH, data=asked.body, headers=issuer.alice | asked.headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/private-token-generic-batch-response"
        assert len(asked.tokens(await response.read())) == 100
    assert charged(issuer.folder) == [100]
    assert b"tacita_issuer_tokens_issued_total 100.0" in issuer.metrics.render()


async def test_a_lost_answer_is_given_again(issuer: Issuer) -> None:
    asked, bodies = ask_batch(10), []
    for _ in range(2):
        headers = issuer.alice | asked.headers
        async with issuer.session.post(PATH, data=asked.body, headers=headers) as response:
            bodies.append(await response.read())
    assert bodies[0] == bodies[1]
    assert charged(issuer.folder) == [10]
    assert issuer.counted("repeated") == 1


async def test_fifty_clients_at_once_on_a_quota_of_twenty_get_exactly_twenty(start: Start) -> None:
    async with start(quota=20) as issuer:

        async def ask() -> int:
            asked = ask_one()
            headers = issuer.alice | asked.headers
            async with issuer.session.post(PATH, data=asked.body, headers=headers) as response:
                if response.status == 200:
                    asked.tokens(await response.read())
                return response.status

        statuses = await asyncio.gather(*(ask() for _ in range(50)))
        assert statuses.count(200) == 20
        assert statuses.count(429) == 30
        assert charged(issuer.folder) == [20]


async def test_over_quota_says_when_the_period_ends(start: Start) -> None:
    async with start(quota=3) as issuer:
        asked = ask_batch(4)
        headers = issuer.alice | asked.headers
        async with issuer.session.post(PATH, data=asked.body, headers=headers) as response:
            detail = await refusal(response, 429)
            assert Period.at(time.time(), 2_592_000).end_text in detail
            assert int(response.headers["Retry-After"]) > 0
            assert response.headers["RateLimit"].startswith('"tokens";r=3;t=')
        assert issuer.counted("over_quota") == 1


async def test_without_a_credential(issuer: Issuer) -> None:
    asked = ask_one()
    async with issuer.session.post(PATH, data=asked.body, headers=asked.headers) as response:
        await refusal(response, 401)
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="issuer"'
    assert issuer.counted("unauthenticated") == 1


async def test_with_a_wrong_credential(issuer: Issuer) -> None:
    asked = ask_one()
    headers = asked.headers | {"Authorization": f"Bearer {new_api_key()}"}
    async with issuer.session.post(PATH, data=asked.body, headers=headers) as response:
        await refusal(response, 401)
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="issuer", error="invalid_token"'


async def test_when_the_accounts_file_is_broken(issuer: Issuer) -> None:
    (issuer.folder / "accounts.json").write_bytes(b"{")
    asked = ask_one()
    async with issuer.session.post(PATH, data=asked.body, headers=issuer.alice | asked.headers) as response:
        await refusal(response, 503)
    assert issuer.counted("attester_down") == 1


@pytest.mark.parametrize(
    ("media_type", "body", "status", "result"),
    [
        ("text/plain", b"x", 415, "unsupported_type"),
        ("", b"x", 415, "unsupported_type"),
        (ask_one().media_type, b"", 422, "malformed"),
        (ask_one().media_type, ask_one().body + b"x", 422, "malformed"),
        (ask_one().media_type, b"\x00\x01" + ask_one().body[2:], 422, "malformed"),
        (ask_one().media_type, ask_one(rsa.private_key(1).public_key).body, 422, "unknown_key"),
        (ask_batch(1).media_type, b"\x02\xff\xff", 422, "malformed"),
        (ask_batch(1).media_type, ask_batch(1, rsa.private_key(1).public_key).body, 400, "malformed"),
    ],
)
async def test_a_request_that_is_wrong(
    issuer: Issuer, media_type: str, body: bytes, status: int, result: str
) -> None:
    headers = issuer.alice | {"Content-Type": media_type}
    async with issuer.session.post(PATH, data=body, headers=headers) as response:
        await refusal(response, status)
    assert issuer.counted(result) == 1
    assert charged(issuer.folder) == []


async def test_a_body_with_a_content_coding(issuer: Issuer) -> None:
    headers = issuer.alice | ask_one().headers | {"Content-Encoding": "gzip"}
    async with issuer.session.post(PATH, data=b"x", headers=headers) as response:
        await refusal(response, 415)
        assert response.headers["Accept-Encoding"] == "identity"


def head(issuer: Issuer, *lines: str) -> bytes:
    first = [
        f"POST {PATH} HTTP/1.1",
        "Host: issuer.example",
        f"Authorization: {issuer.alice['Authorization']}",
    ]
    return "\r\n".join([*first, f"Content-Type: {ask_one().media_type}", *lines, "", ""]).encode()


async def test_a_long_body_is_refused_before_it_is_sent(issuer: Issuer) -> None:
    async with raw_http.connection(issuer.port) as (reader, writer):
        writer.write(head(issuer, f"Content-Length: {longest_body(100) + 1}"))
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 413 ")
    assert issuer.counted("too_long") == 1


async def test_a_long_body_that_does_not_say_so_is_cut_off(issuer: Issuer) -> None:
    async with raw_http.connection(issuer.port) as (reader, writer):
        writer.write(head(issuer, "Transfer-Encoding: chunked"))
        writer.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 413 ")


async def test_the_longest_body_is_taken(start: Start) -> None:
    async with start(more="max_batch = 3") as issuer:
        asked = ask_batch(3)
        headers = issuer.alice | asked.headers
        async with issuer.session.post(PATH, data=asked.body, headers=headers) as response:
            assert response.status == 200


async def test_a_slow_body(start: Start) -> None:
    async with start(more="body_seconds = 0.05") as issuer:
        async with raw_http.connection(issuer.port) as (reader, writer):
            writer.write(head(issuer, "Content-Length: 259") + b"\x00")
            answer = await raw_http.read_head(reader)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert raw_http.fields(answer)["connection"] == "close"
        assert issuer.counted("too_slow") == 1


async def test_a_body_with_broken_framing_ends_in_time(start: Start) -> None:
    async with (
        start(more="body_seconds = 0.05") as issuer,
        raw_http.connection(issuer.port) as (reader, writer),
    ):
        writer.write(head(issuer, "Transfer-Encoding: chunked", "Expect: 100-continue"))
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 100 ")
        writer.write(b"zz\r\n")
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_body_whose_framing_is_broken_at_once(issuer: Issuer) -> None:
    async with raw_http.connection(issuer.port) as (reader, writer):
        writer.write(head(issuer, "Transfer-Encoding: chunked") + b"zz\r\n")
        assert (await raw_http.read_head(reader)).split()[1] == b"400"


async def test_requests_that_follow_one_another_on_a_connection(issuer: Issuer) -> None:
    """The second one has the same head, of which something is kept; the third one another account's."""
    bob = add_account(issuer.folder, "bob")
    async with raw_http.connection(issuer.port) as (reader, writer):
        for account in (issuer.alice, issuer.alice, bob, {"Authorization": "Bearer nobody"}):
            asked = ask_one()
            lines = head(issuer, f"Content-Length: {len(asked.body)}")
            lines = lines.replace(issuer.alice["Authorization"].encode(), account["Authorization"].encode())
            writer.write(lines + asked.body)
            answer = await raw_http.read_head(reader)
            status = 401 if "nobody" in account["Authorization"] else 200
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            await raw_http.read_body(reader, answer)
    assert sorted(charged(issuer.folder)) == [1, 2]


async def test_a_client_that_goes_away_in_the_middle_of_its_body(issuer: Issuer) -> None:
    async with raw_http.connection(issuer.port) as (_, writer):
        writer.write(head(issuer, "Content-Length: 259") + b"\x00")
    while not issuer.counted("client_gone"):  # noqa: ASYNC110 (nothing else tells)
        await asyncio.sleep(0.01)
    assert issuer.log.getvalue() == ""


async def test_more_requests_than_it_takes(start: Start) -> None:
    async with start(more="max_pending = 1") as issuer, raw_http.connection(issuer.port) as (reader, writer):
        asked = ask_one()
        headers = issuer.alice | asked.headers
        writer.write(head(issuer, "Content-Length: 259", "Expect: 100-continue"))
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 100 ")
        async with issuer.session.post(PATH, data=asked.body, headers=headers) as response:
            await refusal(response, 503)
            assert response.headers["Retry-After"] == "1"
        writer.write(asked.body)
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 200 ")
        assert issuer.counted("busy") == 1


async def test_more_requests_than_one_account_may_have_under_way(start: Start) -> None:
    async with (
        start(more="max_pending_of_account = 1") as issuer,
        raw_http.connection(issuer.port) as (reader, writer),
    ):
        asked = ask_one()
        writer.write(head(issuer, "Content-Length: 259", "Expect: 100-continue"))
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 100 ")
        async with issuer.session.post(
            PATH, data=asked.body, headers=issuer.alice | asked.headers
        ) as response:
            await refusal(response, 429)
            assert response.headers["Retry-After"] == "1"
        assert issuer.counted("too_many_at_once") == 1
        # Another account is none the worse for it, and the place is free again when the request has ended.
        bob = add_account(issuer.folder, "bob")
        async with issuer.session.post(PATH, data=asked.body, headers=bob | asked.headers) as response:
            assert response.status == 200
        writer.write(asked.body)
        assert (await raw_http.read_head(reader)).startswith(b"HTTP/1.1 200 ")
        async with issuer.session.post(
            PATH, data=asked.body, headers=issuer.alice | asked.headers
        ) as response:
            assert response.status == 200


async def test_other_methods_and_paths(issuer: Issuer) -> None:
    async with issuer.session.get(PATH) as response:
        await refusal(response, 405)
        assert response.headers["Allow"] == "POST"
    async with issuer.session.get("/") as response:
        await refusal(response, 404)


async def test_the_directory(issuer: Issuer) -> None:
    async with issuer.session.get(WELL_KNOWN) as response:
        body = await response.read()
        assert response.headers["Content-Type"] == "application/private-token-issuer-directory"
        assert response.headers["Cache-Control"] == "public, max-age=3600, no-transform"
        assert response.headers["ETag"] == f'"sha256-{sha256(body).hexdigest()}"'
    directory = IssuerDirectory.from_json(body)
    assert directory.issuer_request_uri == "https://issuer.example/token-request"
    (key,) = directory.token_keys
    assert (key.token_type, key.not_before) == (2, 1_700_006_400)
    assert key.public_key == rsa.private_key(0).public_key.spki


async def test_the_directory_by_head(issuer: Issuer) -> None:
    async with issuer.session.get(WELL_KNOWN) as whole, issuer.session.head(WELL_KNOWN) as response:
        assert response.status == 200
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert response.headers[name] == whole.headers[name]
        assert await response.read() == b""


async def test_the_directory_when_it_is_known(issuer: Issuer) -> None:
    async with issuer.session.get(WELL_KNOWN) as response:
        etag = response.headers["ETag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        async with issuer.session.get(WELL_KNOWN, headers={"If-None-Match": known}) as response:
            assert response.status == 304
            assert response.headers["ETag"] == etag
            assert await response.read() == b""
    async with issuer.session.get(WELL_KNOWN, headers={"If-None-Match": '"other"'}) as response:
        assert response.status == 200


async def test_nothing_of_a_person_is_logged_or_counted(issuer: Issuer) -> None:
    canary = "canary-in-every-field"
    for body, headers in (
        (ask_one().body, issuer.alice | ask_one().headers),
        (canary.encode(), issuer.alice | ask_one().headers),
        (canary.encode(), {"Authorization": f"Bearer {canary}"}),
        (canary.encode(), issuer.alice | {"Content-Type": canary}),
    ):
        async with issuer.session.post(f"{PATH}?{canary}", data=body, headers=headers) as response:
            assert canary not in await response.text(errors="replace")
    said = issuer.log.getvalue() + issuer.metrics.render().decode()
    identity = json.loads((issuer.folder / "accounts.json").read_text())["accounts"][0]
    for secret in (
        canary,
        "alice",
        identity["id"],
        identity["key_sha256"],
        issuer.alice["Authorization"][7:],
    ):
        assert secret not in said


def test_every_refusal_has_its_place_among_the_results() -> None:
    assert len(set(RESULTS)) == len(RESULTS)
    assert {"over_quota", "unauthenticated", "too_slow", "internal"} <= set(RESULTS)
