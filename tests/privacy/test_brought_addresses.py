"""Addresses that fronts tell the relay of land nowhere: not on the wire, in no file, log or metric."""

import json
from pathlib import Path

import pytest
from support.canaries import Canaries, contents
from support.ports import free_ports
from support.processes import role
from support.raw_http import connection, read_body, read_head
from support.relays import gateway_running, request

from tacita.cli.deployment import to_toml

pytestmark = pytest.mark.e2e

CLIENT, FORGED = "203.0.113.177", "198.51.100.188"

KEYS = "GET /one/keys HTTP/1.1\r\nHost: r\r\n{fields}\r\n"

WAYS = {
    "proxy-v1": ("", f"PROXY TCP4 {CLIENT} 192.0.2.1 56324 443\r\n".encode()),
    "proxy-v2": (
        "",
        bytes.fromhex("0d0a0d0a000d0a515549540a2111000c")
        + bytes(map(int, CLIENT.split(".")))
        + bytes.fromhex("c0000201dc0401bb"),
    ),
    "x-forwarded-for": (f"X-Forwarded-For: {FORGED}, {CLIENT}\r\n", b""),
    "forwarded": (f"Forwarded: for={FORGED}, for={CLIENT}\r\n", b""),
}


def config(way: str, port: int, admin: int, gateway: int) -> str:
    listen: dict[str, object] = {"port": port}
    shares: dict[str, object] = {"per_second": 0.001, "burst": 2, "documents_per_second": 0.001}
    shares["documents_burst"] = 2
    if way.startswith("proxy"):
        listen |= {"proxy_protocol": True, "balancers": ["127.0.0.0/8"]}
    else:
        shares |= {"trusted_hops": 1, "trusted_field": way}
    base = f"http://127.0.0.1:{gateway}"
    return to_toml(
        {
            "listen": listen,
            "admin": {"port": admin},
            "limits": {"per_address": shares},
            "gateways": [
                {
                    "name": "one",
                    "url": f"{base}/message",
                    "challenge_url": f"{base}/challenge",
                    "issuer_directory_url": f"{base}/directory",
                }
            ],
        }
    )


@pytest.mark.parametrize("way", WAYS)
async def test_it_limits_and_is_gone(way: str, tmp_path: Path) -> None:
    said, header = WAYS[way]
    port, admin = free_ports(2)
    statuses = []
    answers = b""
    async with gateway_running() as gateway:
        text = config(way, port, admin, gateway.port)
        async with role("relay", text, tmp_path, admin_port=admin) as relay:
            for data in [request(extra=said)] * 3 + [KEYS.format(fields=said).encode()] * 3:
                async with connection(port) as (reader, writer):
                    writer.write(header + data)
                    head = await read_head(reader)
                    statuses.append(int(head.split(b" ")[1]))
                    answers += head + await read_body(reader, head)
            _, metrics = await relay.admin("/metrics")
            assert await relay.stop() == 0
        upstream = b"".join((*gateway.heads, *gateway.gets, *gateway.bodies))
    assert statuses == [200, 200, 429] * 2, "the address was understood"
    secrets = Canaries({"client": CLIENT.encode(), "forged": FORGED.encode()})
    packed = bytes(map(int, CLIENT.split(".")))
    written = b"".join(contents(tmp_path).values())
    for place in (upstream, answers, metrics.encode(), written, relay.output().encode()):
        assert not secrets.in_bytes(place)
        assert packed not in place
    assert not [line for line in relay.output().splitlines() if json.loads(line)["event"] == "internal_error"]
