"""Every sample configuration in deploy/ is what its role reads, and its role starts from it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from support import processes, samples
from support.redis_server import DURABLE, RedisServer
from support.samples import DEPLOY, SAMPLES, Sample

ROLES = {"relay", "gateway", "issuer", "node"}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer(**DURABLE) as server:
        yield server


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_sample_is_a_valid_configuration(sample: Sample) -> None:
    sample.load()


def test_every_role_has_a_sample() -> None:
    assert {path.stem for path in (DEPLOY / "config").glob("*.toml")} == ROLES


@pytest.mark.e2e
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_the_role_starts_from_the_sample_and_stops(
    sample: Sample, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    text = sample.path.read_text()
    replacements = samples.outside_world(text)
    if "redis://redis" in text:
        server: RedisServer = request.getfixturevalue("redis_server")
        replacements["redis://redis:6379/0"] = server.address
    # How long the relay waits for a load balancer is not what is tested here.
    replacements["drain_notice_seconds = 5.0"] = "drain_notice_seconds = 0.0"
    text, port, admin_port = samples.move(text, tmp_path, replacements)
    # The operator makes the folder that the sample names; systemd's StateDirectory does too.
    if f'"{sample.role}/' in text:
        (tmp_path / sample.role).mkdir(mode=0o700)
    running = await processes.start(sample.role, text, tmp_path, admin_port=admin_port)
    try:
        sample.load(tmp_path / f"{sample.role}.toml")
        await asyncio.wait_for(_until_alive(running, port), 30)
        assert await running.stop() == 0, running.output()
    finally:
        if running.process.returncode is None:
            running.process.kill()
            await running.process.wait()


async def _until_alive(role: processes.Role, port: int) -> None:
    """Wait until /livez answers and, which is a moment later, the public port listens."""
    while role.process.returncode is None:
        try:
            status, _ = await role.admin("/livez")
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(0.02)
        else:
            writer.close()
            assert status == 200
            return
    raise AssertionError(f"the role ended with {role.process.returncode}:\n{role.output()}")
