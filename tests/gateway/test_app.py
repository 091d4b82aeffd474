"""The gateway as the shell runs it: readiness, background work, and the closed schema of its metrics."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from support.gateways import PATH, Gateway, Place, gateway_running, get, message, token
from support.raw_http import fields
from support.redis_server import DURABLE, RedisServer

import gateway.upkeep
from gateway.app import build
from gateway.config import GatewayConfig
from tacita.errors import ConfigError, TacitaError
from tacita.service.config import load

SERIES = {
    "refused_outside_total": ("status", {"400", "401", "403", "408", "413", "415", "503", "gone"}),
    "undecryptable_total": ("reason", {"malformed", "suite", "truncated", "undecryptable", "unknown_key"}),
    "answers_total": ("status", {"2xx", "3xx", "400", "401", "403", "4xx", "503", "5xx"}),
    "tokens_total": (
        "event",
        {"burnt", "committed", "invalid", "missing", "released", "reserved", "spent"},
    ),
    "replay_cache_total": ("event", {"full", "remembered", "replayed", "unavailable"}),
    "truncated_total": (None, set()),
    "key_age_seconds": (None, set()),
    "key_epoch": (None, set()),
}


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


def series(gateway: Gateway) -> dict[str, set[str]]:
    """Return label sets by name, of the gateway's own metrics."""
    assert gateway.service is not None
    found: dict[str, set[str]] = {}
    for line in gateway.service.metrics.render().decode().splitlines():
        if match := re.fullmatch(r"tacita_gateway_(\w+?)(?:\{(.*)\})? \S+", line):
            found.setdefault(match[1], set()).add(match[2] or "")
    return {name: labels for name, labels in found.items() if not name.endswith("_created")}


def expected() -> dict[str, set[str]]:
    return {
        name: {f'{label}="{value}"' for value in allowed} if label else {""}
        for name, (label, allowed) in SERIES.items()
    }


async def test_metrics_have_the_declared_series_whatever_was_asked(
    gateway: Gateway,
) -> None:
    assert series(gateway) == expected()
    canary = b"canary5d1c"
    await gateway.ask(get(token(), (b"x-" + canary, canary), path=b"/" + canary))
    await gateway.ask(get(path=b"/" + canary))
    await gateway.ask(get((b"authorization", b"PrivateToken " + canary)))
    await gateway.ask(get(authority=canary))
    await gateway.ask(canary)
    await gateway.post(canary)
    await gateway.post(canary, "text/" + canary.decode())
    await gateway.raw(b"GET /" + canary + b" HTTP/1.1\r\nHost: " + canary + b"\r\n\r\n")
    assert series(gateway) == expected()
    assert gateway.service is not None
    assert canary not in gateway.service.metrics.render()


async def test_head_of_a_document_has_no_body(gateway: Gateway) -> None:
    for path in (PATH, "/challenge"):
        data = f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n")
        assert int(fields(answer)["content-length"]) > 0


async def test_readiness_follows_the_store(
    place: Place,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(gateway.upkeep, "_CHECK_SECONDS", 0.02)
    async with gateway_running(place, store=f'redis = "{redis_server.address}"') as running:
        assert running.service is not None
        readiness = running.service.readiness
        redis_server.kill()
        while readiness.ready:  # noqa: ASYNC110 (the shell, too, looks now and then)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        redis_server.start()
        while not readiness.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    said = capsys.readouterr().err
    for name in ('"store_', '"replay_store_'):
        assert said.count(f'{name}failed"') == 1, "a change is logged, not a state"
        assert said.count(f'{name}regained"') == 1


async def test_a_start_that_cannot_work_is_an_error_of_the_tree(place: Place) -> None:
    async def refused(text: str) -> type[TacitaError]:
        file = place.folder / "bad.toml"
        file.write_text(text)
        with pytest.raises(TacitaError) as caught:
            await build(load(file, GatewayConfig))
        return caught.type

    assert await refused(place.config(store='sqlite = "no/such/folder"')) is ConfigError
    assert await refused(place.config().replace('"keys.json"', '"bad.toml/keys.json"')) is ConfigError
    await refused(place.config().replace('authority = "', 'authority = "no name '))


async def test_a_request_that_is_no_http_is_400(gateway: Gateway) -> None:
    head, _ = await gateway.raw(b"\x16\x03\x01\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    both = message(b"x", extra="Transfer-Encoding: chunked\r\n")
    head, _ = await gateway.raw(both)
    assert head.split(b" ")[1] == b"400"
