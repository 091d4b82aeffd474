"""Issuers on several machines, one folder of keys: hosts in namespaces, periods of four seconds."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import host
from support.issuers import add_account, config_text

from issuer.key_folder import KeyFolder
from tacita.crypto.keyring import Schedule
from tacita.privacypass.directory import IssuerDirectory

pytestmark = pytest.mark.e2e

PERIOD = 4
EPOCHS = 3
SCHEDULE = Schedule(PERIOD)
HOSTS = ("alpha", "beta", "gamma")

_TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def isolation() -> None:
    """Skip where a process may not have namespaces of its own, and say so."""
    try:
        subprocess.run((*host.COMMAND, "true"), check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no namespaces for hosts of their own on this machine ({type(error).__name__})")


class Host:
    """A host that can be started, and struck down."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        task = {
            "name": name,
            "keys": str(folder / "keys"),
            "exchange": str(folder / "exchange"),
            "credential": add_account(self.folder, "alice"),
            "config": config_text(port=host.PORT, admin_port=host.ADMIN_PORT, quota=10**6, key_period=PERIOD),
        }
        (self.folder / "task.json").write_text(json.dumps(task))

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(*host.COMMAND, sys.executable, host.__file__, str(self.folder)),
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(_TESTS.parent), str(_TESTS)))},
        )

    async def die(self) -> None:
        """Be gone at once, whatever is under way."""
        self.process.kill()
        await self.process.wait()

    def seen(self) -> list[dict[str, Any]]:
        path = self.folder / "seen.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        # The last one may be half written, now or when the host died.
        return [json.loads(line) for line in lines if line.endswith("}")]


def shown(lines: list[dict[str, Any]]) -> dict[int, set[bytes]]:
    """Return what was shown in each epoch, near boundaries left out."""
    epochs: dict[int, set[bytes]] = {}
    for line in lines:
        epoch = SCHEDULE.epoch(line["began"])
        if SCHEDULE.epoch(line["ended"]) == epoch and line["began"] >= SCHEDULE.start(epoch) + PERIOD / 4:
            epochs.setdefault(epoch, set()).add(base64.b64decode(line["directory"]))
    return epochs


async def until_all_have_seen(hosts: list[Host], epochs: int) -> set[int]:
    async with asyncio.timeout(60):
        while True:
            common = set.intersection(*(set(shown(one.seen())) for one in hosts))
            if len(common) >= epochs:
                return common
            for one in hosts:
                assert one.process.returncode is None
            await asyncio.sleep(0.2)


@pytest.mark.usefixtures("isolation")
async def test_hosts_serve_the_same_keys_and_one_may_die(tmp_path: Path) -> None:
    for name in ("keys", "exchange"):
        (tmp_path / name).mkdir(mode=0o700)
    hosts = [Host(tmp_path, name) for name in HOSTS]
    try:
        # All at once, over an empty folder.
        await asyncio.gather(*(one.start() for one in hosts))
        await until_all_have_seen(hosts, 1)
        await hosts[0].die()
        before = len(hosts[0].seen())
        await hosts[0].start()
        epochs = await until_all_have_seen(hosts, EPOCHS)
        (tmp_path / "exchange" / "stop").touch()
        codes = [await asyncio.wait_for(one.process.wait(), 30) for one in hosts]
    finally:
        for one in hosts:
            if one.process.returncode is None:
                await one.die()
    assert codes == [0] * len(hosts)
    assert len(hosts[0].seen()) > before
    lines = [line for one in hosts for line in one.seen()]
    assert {line["host"] for line in lines} == set(HOSTS)
    for epoch, bodies in shown(lines).items():
        assert len(bodies) == 1, f"hosts differ within epoch {epoch}"
    keys: dict[int, bytes] = {}
    for line in lines:
        for key in IssuerDirectory.from_json(base64.b64decode(line["directory"])).token_keys:
            assert key.not_before is not None
            # One epoch has one key, whoever shows it and whenever.
            assert keys.setdefault(key.not_before, key.public_key) == key.public_key
        # Whoever has any host's directory gets tokens from any; a refusal has a boundary in it.
        if line["status"] == 422:
            assert SCHEDULE.epoch(line["at"]) > SCHEDULE.epoch(line["asked_under"])
        else:
            assert (line["status"], line["tokens"]) == (200, 1)
    crossed = {(line["from"], line["host"]) for line in lines if line["tokens"]}
    assert len(crossed) == len(HOSTS) ** 2
    left = {name.epoch for name in KeyFolder(tmp_path / "keys").look().keys}
    assert min(left) >= max(epochs) - 1
