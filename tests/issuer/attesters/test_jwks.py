"""Key sets: what is read of them, and when they are fetched again."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import self_signed
from support.clocks import Clock
from support.json_server import JsonServer, json_server
from support.ports import free_port
from support.provider import jwk

from issuer.attesters.jwks import MAX_BYTES, MAX_KEYS, KeySet, KeySetMalformed, fetch_key_set, parse_key_set
from issuer.errors import AttesterUnavailable
from tacita.net.tls import client_context, server_context


def document(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_the_keys_that_we_can_use() -> None:
    keys = parse_key_set(
        document(
            *(jwk(algorithm, algorithm) for algorithm in ("RS256", "ES256", "EdDSA")),
            jwk("ES256", "named", use="sig", alg="ES256", key_ops=["verify"], x5t="ignored"),
        )
    )
    assert {kid: key.algorithm for kid, key in keys.items()} == {
        "RS256": "RS256",
        "ES256": "ES256",
        "EdDSA": "EdDSA",
        "named": "ES256",
    }


@pytest.mark.parametrize(
    "key",
    [
        jwk("ES256", None),
        {**jwk("ES256", "one"), "kid": 7},
        jwk("ES256", "one", use="enc"),
        jwk("ES256", "one", alg="RS256"),
        jwk("RS256", "one", alg="HS256"),
        jwk("RS256", "one", alg="PS256"),
        jwk("ES256", "one", key_ops=["encrypt"]),
        jwk("ES256", "one", key_ops="verify"),
        jwk("ES256", "one", crv="P-384"),
        jwk("ES256", "one", crv=["P-256"]),
        jwk("ES256", "one", kty="unknown"),
        jwk("ES256", "one", kty=None),
        jwk("ES256", "one", x=None),
        jwk("ES256", "one", x=7),
        jwk("ES256", "one", x="AAAA"),
        jwk("EdDSA", "one", x="AAAA"),
        jwk("RS256", "one", n="AQAB"),
        jwk("RS256", "one", e="AA"),
        {"kid": "one"},
        {},
    ],
)
def test_other_keys_are_passed_over(key: dict[str, Any]) -> None:
    assert list(parse_key_set(document(key, jwk("ES256", "good")))) == ["good"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[1]}',
        b"\xff",
        b"[" * 100_000,
        document(jwk("ES256", "one"), jwk("ES256", "one")),
        document(jwk("ES256", "one"), jwk("EdDSA", "one", use="enc")),
        document(jwk("ES256", "one", d="AAAA")),
        document({"kty": "oct", "kid": "one", "k": "AAAA"}),
        document(jwk("ES256", None, d="AAAA")),
        document(*(jwk("ES256", str(number)) for number in range(MAX_KEYS + 1))),
    ],
)
def test_what_is_refused_whole(content: bytes) -> None:
    with pytest.raises(KeySetMalformed):
        parse_key_set(content)


_json = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists)


@given(
    st.binary()
    | st.lists(
        st.dictionaries(st.sampled_from(["kty", "crv", "kid", "n", "e", "x", "y", "use"]), _json)
        | st.builds(lambda name, value: {**jwk("ES256", "one"), name: value}, st.sampled_from("xy"), _json)
    ).map(lambda keys: json.dumps({"keys": keys}).encode())
)
def test_garbage_is_read_or_refused(content: bytes) -> None:
    with suppress(KeySetMalformed):
        parse_key_set(content)


FRESH, STALE, INTERVAL = 300, 3_600, 30


@pytest.fixture
async def server() -> AsyncIterator[JsonServer]:
    async with json_server() as running:
        running.says(200, document(jwk("ES256", "one")))
        yield running


def key_set(server: JsonServer, clock: Clock) -> KeySet:
    return KeySet(
        lambda: fetch_key_set(server.url, None),
        fresh_seconds=FRESH,
        stale_seconds=STALE,
        interval_seconds=INTERVAL,
        clock=clock,
    )


async def test_a_copy_is_fetched_once_while_it_is_fresh(server: JsonServer) -> None:
    clock = Clock(0)
    async with key_set(server, clock) as keys:
        found = await asyncio.gather(*(keys.find("one") for _ in range(50)))
        assert len(server.asked) == 1
        clock.now = FRESH - 1
        assert await keys.find("one") == found[0]
        assert len(server.asked) == 1
        clock.now = FRESH
        await keys.find("one")
        assert len(server.asked) == 2


async def test_an_unknown_id_fetches_once_an_interval(server: JsonServer) -> None:
    clock = Clock(0)
    async with key_set(server, clock) as keys:
        assert await keys.find("one")
        for number in range(100):
            assert await keys.find(f"invented-{number}") is None
        assert len(server.asked) == 1
        server.says(200, document(jwk("ES256", "one"), jwk("ES256", "two", 2)))
        clock.now = INTERVAL - 1
        assert await keys.find("two") is None
        clock.now = INTERVAL
        assert all(await asyncio.gather(*(keys.find("two") for _ in range(50))))
        assert len(server.asked) == 2


async def test_the_last_good_copy_serves_for_a_time(server: JsonServer) -> None:
    clock = Clock(0)
    async with key_set(server, clock) as keys:
        assert await keys.find("one")
        await server.stop()
        clock.now = STALE - 1
        await keys.check()
        assert await keys.find("one")
        # It may be a new key: nobody can tell.
        with pytest.raises(AttesterUnavailable):
            await keys.find("two")
        clock.now = STALE
        for asked in (keys.find("one"), keys.find("two"), keys.check()):
            with pytest.raises(AttesterUnavailable):
                await asked
        await server.start()
        with pytest.raises(AttesterUnavailable):
            await keys.find("one")  # the last try was too short a time ago
        clock.now += INTERVAL
        assert await keys.find("one")
        assert await keys.find("two") is None


async def test_a_document_that_is_refused_does_not_replace_a_good_one(server: JsonServer) -> None:
    clock = Clock(0)
    async with key_set(server, clock) as keys:
        assert await keys.find("one")
        for bad in (b"", document(jwk("ES256", "one", d="AAAA")), b" " * (MAX_BYTES + 1)):
            server.says(200, bad)
            clock.now += FRESH
            before = len(server.asked)
            assert await keys.find("one")
            assert len(server.asked) == before + 1


@pytest.mark.parametrize("status", [204, 301, 304, 404, 500])
async def test_another_status_is_no_document(server: JsonServer, status: int) -> None:
    server.says(status, document(jwk("ES256", "one")) if status >= 400 else b"")
    async with key_set(server, Clock(0)) as keys:
        with pytest.raises(AttesterUnavailable):
            await keys.check()


@pytest.mark.parametrize(
    ("content_type", "good"),
    [("application/json; charset=utf-8", True), ("application/jwk-set+json", True), ("text/html", False)],
)
async def test_media_types(server: JsonServer, content_type: str, good: bool) -> None:
    server.content_type = content_type
    async with key_set(server, Clock(0)) as keys:
        if good:
            assert await keys.find("one")
        else:
            with pytest.raises(AttesterUnavailable):
                await keys.find("one")


async def test_a_client_that_goes_away_does_not_end_the_fetch(server: JsonServer) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_question: bytes) -> tuple[int, bytes]:
        begun.set()
        await go_on.wait()
        return 200, document(jwk("ES256", "one"))

    server.answer = answer
    async with key_set(server, Clock(0)) as keys:
        first = asyncio.create_task(keys.find("one"))
        await begun.wait()
        second = asyncio.create_task(keys.find("one"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go_on.set()
        assert await second
    assert len(server.asked) == 1


async def test_closing_ends_a_fetch_that_hangs(server: JsonServer) -> None:
    begun = asyncio.Event()

    async def answer(_question: bytes) -> tuple[int, bytes]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    server.answer = answer
    async with key_set(server, Clock(0)) as keys:
        asked = asyncio.create_task(keys.find("one"))
        await begun.wait()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_nobody_is_there() -> None:
    with pytest.raises(AttesterUnavailable):
        await fetch_key_set(f"http://127.0.0.1:{free_port()}/", None)


async def test_over_tls_only_from_whom_we_trust(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other")
    async with json_server(server_context(certificate, key)) as server:
        server.says(200, document(jwk("ES256", "one")))
        assert "one" in parse_key_set(await fetch_key_set(server.url, client_context(certificate)))
        with pytest.raises(AttesterUnavailable):
            await fetch_key_set(server.url, client_context(other))
