"""Keys that turn over under load: two instances with one seed, periods of four seconds, no request lost."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from support.gateways import PATH, Gateway, Place, gateway_running, get
from support.ports import free_ports
from support.processes import role, start
from support.raw_http import fields

from gateway.config import KeysConfig
from gateway.keys import Keyring
from tacita.ohttp import KeyConfig
from tacita.ohttp.keyconfig import decode_list
from tacita.service.run import EXIT_CONFIG

PERIOD = 4
KEYS = f"period_seconds = {PERIOD}\ngrace_seconds = 3"


async def published(gateway: Gateway) -> tuple[list[KeyConfig], int, float]:
    """Return the configurations, their max-age, and when they were asked for."""
    asked = time.time()
    head, body = await gateway.raw(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    control = fields(head)["cache-control"]
    return decode_list(body), int(control.split("max-age=")[1].split(",")[0]), asked


async def test_it_turns_without_losing_a_request(place: Place) -> None:
    place.folder.joinpath("two").mkdir()
    two = Place(place.folder / "two", place.target, place.directory_port)
    source = KeysConfig(
        state=place.folder / "keys.json", period_seconds=PERIOD, grace_seconds=3, kems=("x25519", "p256")
    )
    Keyring(source).turn()
    (two.folder / "keys.json").write_bytes(source.state.read_bytes())
    (two.folder / "keys.json").chmod(0o600)
    seen: list[bytes] = []
    async with gateway_running(place, keys=KEYS) as first, gateway_running(two, keys=KEYS) as second:
        until = time.monotonic() + 2 * PERIOD + 0.5
        while time.monotonic() < until:
            configs, max_age, asked = await published(first)
            if time.time() // PERIOD == asked // PERIOD:
                assert max_age <= PERIOD - asked % PERIOD
            assert len(configs) == 4
            current = configs[0].public_key.to_bytes()
            if current not in seen:
                seen.append(current)
            for gateway in (first, second):
                gateway.configs = configs
                for key in (0, 1):
                    for chunked in (False, True):
                        answer = await gateway.ask(get(authority=b"free.example"), key=key, chunked=chunked)
                        assert answer.head.status == 200
            await asyncio.sleep(0.02)
        assert first.counted('undecryptable_total{reason="unknown_key"}') == 0
        assert second.counted('undecryptable_total{reason="unknown_key"}') == 0
        configs, _, _ = await published(first)
        while configs != (await published(second))[0]:
            configs, _, _ = await published(first)
    assert len(seen) >= 3


async def test_a_command_that_replaces_the_chain_is_noticed(place: Place) -> None:
    async with gateway_running(place) as gateway:
        keys = KeysConfig(state=place.folder / "keys.json", kems=("x25519", "p256"))
        Keyring(keys).replace()
        before = gateway.configs
        async with asyncio.timeout(10):
            while (await published(gateway))[0] == before:  # noqa: ASYNC110 (the document is all that tells)
                await asyncio.sleep(0.02)
        gateway.configs, _, _ = await published(gateway)
        assert (await gateway.ask(get(authority=b"free.example"))).head.status == 200


async def test_a_command_is_noticed_on_sighup_and_the_age_is_shown(place: Place) -> None:
    async with gateway_running(place) as gateway:
        assert gateway.service is not None
        assert gateway.counted("key_epoch") == time.time() // 86_400
        assert abs(gateway.counted("key_age_seconds") - time.time() % 86_400) < 60
        Keyring(KeysConfig(state=place.folder / "keys.json", kems=("x25519", "p256"))).replace()
        before = gateway.configs
        look, _secrets = gateway.service.reload
        await look()
        async with asyncio.timeout(10):
            while (await published(gateway))[0] == before:  # noqa: ASYNC110 (the document is all that tells)
                await asyncio.sleep(0.02)


async def test_state_that_is_lost_is_reported_and_readiness_ends_with_the_epoch(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    state = place.folder / "keys.json"
    async with gateway_running(place, keys=KEYS) as gateway:
        assert gateway.service is not None
        content = state.read_bytes()
        state.unlink()
        async with asyncio.timeout(10):
            while gateway.service.readiness.ready:  # noqa: ASYNC110 (the shell, too, looks now and then)
                await asyncio.sleep(0.01)
            assert gateway.service.readiness.missing == ["keys"]
            _, max_age, _ = await published(gateway)
            assert max_age == 0
            state.write_bytes(content)
            state.chmod(0o600)
            while not gateway.service.readiness.ready:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events.count("key_state_lost") == events.count("key_state_regained") == 1


@pytest.mark.e2e
async def test_a_wrong_clock_stops_the_start_and_the_process(place: Place) -> None:
    def set_state(epoch: int) -> Path:
        state = place.folder / "keys.json"
        state.unlink(missing_ok=True)
        now = (epoch + 0.5) * 86_400
        Keyring(KeysConfig(state=state), clock=lambda: now, uptime=lambda: 0.0).turn()
        return state

    today = int(time.time()) // 86_400
    port, admin_port = free_ports(2)
    text = place.config(port=port, admin_port=admin_port)
    for epoch in (today - 3, today + 3):
        before = set_state(epoch).read_bytes()
        started = await start("gateway", text, place.folder, admin_port=admin_port)
        assert await asyncio.wait_for(started.process.wait(), 30) == EXIT_CONFIG
        assert (place.folder / "keys.json").read_bytes() == before
    (place.folder / "keys.json").unlink()
    async with role("gateway", text, place.folder, admin_port=admin_port) as running:
        set_state(today + 3)
        assert await asyncio.wait_for(running.process.wait(), 30) == EXIT_CONFIG
