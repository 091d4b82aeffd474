"""The statement of policy: what the configuration says, in a form for programs, the same for everybody."""

import json
from importlib.metadata import version
from typing import Any

import msgspec
import pytest
from support.raw_http import fields
from support.relays import Gateway, Relay, relay_of, relay_running, request

from relay.config import Limits, MirrorLimits, PolicyConfig, RelayConfig
from relay.policy import PATHS

SAID = PolicyConfig(operator="Übermittler e.V.", contact="mailto:relay@example.org", jurisdiction="CH")


def with_policy(config: RelayConfig, policy: PolicyConfig = SAID) -> RelayConfig:
    return msgspec.structs.replace(config, policy=policy)


def get(path: str, extra: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: relay.example\r\n{extra}\r\n".encode()


async def told(relay: Relay, path: str = "/") -> Any:
    head, body = await relay.ask(get(path))
    assert head.startswith(b"HTTP/1.1 200 ")
    assert fields(head)["content-type"] == "application/json"
    return json.loads(body)


async def test_it_says_what_the_configuration_says(gateway: Gateway) -> None:
    table = gateway.table(limits=Limits(request_bytes=1234), incremental="refuse", allowed_purposes=("mine",))
    mirror = gateway.table("two", mirror_only=True, mirror=MirrorLimits(stale_seconds=60.0))
    async with relay_running(with_policy(relay_of(table, mirror)), wait=False) as relay:
        said = await told(relay)
    first, second = said.pop("gateways")
    assert said.pop("address_limits") == {
        "per_second": 50.0,
        "burst": 500,
        "concurrent": 256,
        "documents_per_second": 10.0,
        "documents_burst": 200,
        "connections": 512,
        "ipv6_prefix": 64,
        "key_seconds": 3600.0,
    }
    assert said == {
        "format": 1,
        "software": {"name": "tacita", "version": version("tacita")},
        "operator": "Übermittler e.V.",
        "contact": "mailto:relay@example.org",
        "jurisdiction": "CH",
        "sees": ["address", "gateway", "size", "time"],
        "keeps": {
            "addresses": False,
            "requests": False,
            "answers": False,
            "logs_of_requests": False,
            "cookies": False,
        },
    }
    assert first["name"] == "one"
    assert first["url"] == f"http://127.0.0.1:{gateway.port}/message"
    assert first["requests"] == "/one"
    assert first["documents"]["keys"] == "/one/keys"
    assert first["fingerprints"] == "/one/fingerprints"
    assert first["limits"]["request_bytes"] == 1234
    assert first["incremental"] == "refuse"
    assert first["cover"] == {"policy": "none"}
    assert first["allowed_purposes"] == ["mine"]
    assert second["requests"] is None
    assert second["documents_served_for_seconds"] == 60
    assert "limits" not in second


async def test_each_path_that_it_names_exists(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        (one,) = (await told(relay))["gateways"]
        for path in (*one["documents"].values(), one["fingerprints"]):
            assert (await relay.ask(get(path)))[0].startswith(b"HTTP/1.1 200 ")
        assert (await relay.ask(request(path=one["requests"])))[0].startswith(b"HTTP/1.1 200 ")


async def test_both_places_give_the_same_bytes_to_everybody(gateway: Gateway) -> None:
    async with relay_running(with_policy(gateway.config())) as relay:
        answers = [await relay.ask(get(path)) for path in PATHS]
        answers.append(await relay.ask(get("/?me=7", "Cookie: a=b\r\nAccept: text/html\r\n")))
        assert len({body for _, body in answers}) == 1
        etag = fields(answers[0][0])["etag"]
        assert fields(answers[0][0])["content-digest"].startswith("sha-256=:")
        assert (await relay.ask(get("/", f"If-None-Match: {etag}\r\n")))[0].startswith(b"HTTP/1.1 304 ")


@pytest.mark.parametrize("path", PATHS)
async def test_it_is_only_there_to_be_read(gateway: Gateway, path: str) -> None:
    async with relay_running(gateway.config()) as relay:
        head, _ = await relay.ask(request(path=path))
    assert head.startswith(b"HTTP/1.1 405 ")
    assert fields(head)["allow"] == "GET,HEAD"
    assert not gateway.heads


async def test_a_reload_is_told(gateway: Gateway) -> None:
    async with relay_running(gateway.config()) as relay:
        assert "operator" not in await told(relay)
        await relay.take(with_policy(gateway.config(Limits(request_bytes=77))))
        said = await told(relay)
    assert said["operator"] == SAID.operator
    assert said["gateways"][0]["limits"]["request_bytes"] == 77
