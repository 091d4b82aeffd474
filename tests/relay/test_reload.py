"""SIGHUP on a relay under load: no request is lost, and a broken file changes nothing."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from support.ports import free_ports
from support.processes import Role, role
from support.raw_http import connection, read_body, read_head
from support.relays import ANSWER, Gateway, gateway_running, request

from tacita.cli.deployment import to_toml


def config(port: int, admin: int, gateways: dict[str, Gateway], **limits: int) -> str:
    tables = [
        {
            "name": name,
            "url": f"http://127.0.0.1:{gateway.port}/message",
            "challenge_url": f"http://127.0.0.1:{gateway.port}/challenge",
            "issuer_directory_url": f"http://127.0.0.1:{gateway.port}/directory",
            "limits": limits,
        }
        for name, gateway in gateways.items()
    ]
    whole = {"listen": {"port": port}, "admin": {"port": admin}, "gateways": tables}
    # All of the load comes from one address.
    return to_toml({**whole, "limits": {"per_address": {"enabled": False}}})


def events(relay: Role) -> list[dict[str, object]]:
    return [json.loads(line) for line in relay.output().splitlines() if line.startswith("{")]


async def reloaded(relay: Role, *wanted: str, times: int) -> None:
    """Wait until there have been `times` of one of the events `wanted`."""
    while sum(event["event"] in wanted for event in events(relay)) < times:  # noqa: ASYNC110 - logs have no event
        await asyncio.sleep(0.02)


class Load:
    """Clients that ask on kept connections and on new ones, one request after the other."""

    def __init__(self, port: int) -> None:
        self.answers: list[bytes] = []
        self._port = port
        self._over = False
        self._tasks = [
            asyncio.create_task(self._client(path=f"/{name}", each=each))
            for name in ("one", "two")
            for each in (1, 7, 1000)
        ]

    async def _client(self, *, path: str, each: int) -> None:
        while not self._over:
            async with connection(self._port) as (reader, writer):
                for _ in range(each):
                    if self._over:
                        break
                    writer.write(request(path=path))
                    head = await read_head(reader)
                    assert head.startswith(b"HTTP/1.1 200 "), head
                    self.answers.append(path[1:].encode() + b" " + await read_body(reader, head))

    async def end(self) -> None:
        """Stop asking. Raises what went wrong with any request."""
        self._over = True
        await asyncio.gather(*self._tasks)


def saying(gateway: Gateway, body: bytes) -> None:
    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(reader, head)
        # Long enough for some to be under way at any time.
        await asyncio.sleep(0.002)
        writer.write(ANSWER.replace(b"Length: 6", b"Length: %d" % len(body)).replace(b"answer", body))

    gateway.answer = answer


@pytest.mark.timeout(120)
async def test_a_reload_under_load_loses_no_request(gateway: Gateway, tmp_path: Path) -> None:
    port, admin = free_ports(2)
    saying(gateway, b"first")
    file = tmp_path / "relay.toml"
    async with gateway_running() as second:
        saying(second, b"second")
        plans = [
            {"one": gateway, "two": gateway},
            {"one": second, "two": gateway, "three": second},
            {"two": second, "one": gateway},
            {"three": gateway, "one": second, "two": second},
        ]
        async with role("relay", config(port, admin, plans[0]), tmp_path, admin_port=admin) as relay:
            load = Load(port)
            for turn in range(1, 13):
                plan = plans[turn % len(plans)]
                file.write_text(config(port, admin, plan, request_bytes=1000 + turn))
                relay.process.send_signal(signal.SIGHUP)
                await reloaded(relay, "reloaded", times=turn)
                await asyncio.sleep(0.1)
            await load.end()
            assert await relay.stop() == 0
    said = [event["change"] for event in events(relay) if event["event"] == "gateway"]
    assert {"added", "removed", "changed"} <= set(said)
    assert {b"one first", b"one second", b"two first", b"two second"} == set(load.answers)
    assert len(load.answers) > 200
    assert not [event for event in events(relay) if event["event"] in {"internal_error", "reload_failed"}]


@pytest.mark.parametrize("broken", ["surprise = 1\n", "gateways = [\n", ""])
async def test_a_broken_file_keeps_what_is_there_and_is_said_once(
    gateway: Gateway, tmp_path: Path, broken: str
) -> None:
    port, admin = free_ports(2)
    saying(gateway, b"first")
    good = config(port, admin, {"one": gateway})
    async with role("relay", good, tmp_path, admin_port=admin) as relay:
        (tmp_path / "relay.toml").write_text(broken and broken + good)
        relay.process.send_signal(signal.SIGHUP)
        await reloaded(relay, "reloaded", times=1)
        async with connection(port) as (reader, writer):
            writer.write(request())
            head = await read_head(reader)
            assert await read_body(reader, head) == b"first"
        assert (await relay.admin("/readyz"))[0] == 200
        assert await relay.stop() == 0
    (failed,) = [event for event in events(relay) if event["event"] == "reload_failed"]
    assert failed["kind"] == "ConfigError"
    assert not [event for event in events(relay) if event["event"] == "gateway"]


async def test_what_is_taken_at_the_start_only_is_said(gateway: Gateway, tmp_path: Path) -> None:
    port, admin, other = free_ports(3)
    async with role("relay", config(port, admin, {"one": gateway}), tmp_path, admin_port=admin) as relay:
        (tmp_path / "relay.toml").write_text(config(other, admin, {"one": gateway}))
        relay.process.send_signal(signal.SIGHUP)
        await reloaded(relay, "restart_needed", times=1)
        assert await relay.stop() == 0
