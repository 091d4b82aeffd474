"""Each role that may be several processes is, from its sample."""

import asyncio
from pathlib import Path

import pytest
from support import processes, samples
from support.samples import SAMPLES, Sample

pytestmark = pytest.mark.e2e

ROLES = ("gateway", "issuer", "relay")


@pytest.mark.parametrize(
    "sample",
    [one for one in SAMPLES if one.path.parent.name == "config" and one.role in ROLES],
    ids=lambda sample: sample.role,
)
async def test_a_role_of_two_processes_starts_and_stops(sample: Sample, tmp_path: Path) -> None:
    text = sample.path.read_text()
    replacements = samples.outside_world(text)
    replacements["drain_notice_seconds = 5.0"] = "drain_notice_seconds = 0.0"
    text, port, admin_port = samples.move(text, tmp_path, replacements)
    if f'"{sample.role}/' in text:
        (tmp_path / sample.role).mkdir(mode=0o700)
    role = await processes.start(
        sample.role,
        text,
        tmp_path,
        admin_port=admin_port,
        command=["-m", sample.role, "--workers", "2"],
    )
    try:
        # What a relay and a gateway wait for is not there; they listen all the same.
        while role.output().count('"event":"starting"') < 3 or not await _listens(port):
            assert role.process.returncode is None, role.output()
            await asyncio.sleep(0.05)
        _, shown = await role.admin("/metrics")
        assert f"tacita_{sample.role}_workers 2.0" in shown
        assert await role.stop() == 0, role.output()
    finally:
        if role.process.returncode is None:
            role.process.kill()
            await role.process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
