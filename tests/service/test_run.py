"""The life of a role's process: start, readiness, drain, exit code."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support import processes
from support.ports import free_ports
from support.sample_role import CANARY

from tacita.service.run import EXIT_CONFIG

WAYS = pytest.mark.parametrize("way", [("GET", "/stream"), ("POST", "/lane")], ids=["aiohttp", "lane"])

_PROGRAM = str(Path(__file__).parents[1] / "support" / "sample_role.py")


@dataclass
class Sample:
    """A sample role that runs, and a session towards it."""

    role: processes.Role
    session: aiohttp.ClientSession
    url: str

    def ask(self, way: tuple[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self.session.request(way[0], self.url + way[1])

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.role.output().splitlines()]


def config(port: int, admin_port: int, **more: Any) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in more.items()]
    return "\n".join([*lines, f"[listen]\nport = {port}", f"[admin]\nport = {admin_port}"])


@asynccontextmanager
async def sample(folder: Path, **more: Any) -> AsyncIterator[Sample]:
    port, admin_port = free_ports(2)
    async with (
        processes.role(
            "sample", config(port, admin_port, **more), folder, admin_port=admin_port, command=[_PROGRAM]
        ) as role,
        aiohttp.ClientSession() as session,
    ):
        yield Sample(role, session, f"http://127.0.0.1:{port}")


async def _ask_until_refused(url: str) -> None:
    while True:
        async with aiohttp.ClientSession() as stranger, stranger.get(url):
            await asyncio.sleep(0.02)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, _PROGRAM, *arguments], capture_output=True, text=True, check=False)


@WAYS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_is_not_ready_and_a_stream_under_way_ends(
    tmp_path: Path, number: int, way: tuple[str, str]
) -> None:
    async with sample(tmp_path, drain_notice_seconds=0.5) as one:
        async with one.ask(way) as response:
            assert await response.content.readany() == b"begun "
            one.role.process.send_signal(number)
            await one.role.wait_ready(503)
            assert (await one.role.admin("/readyz"))[1] == "waiting for: stopping\n"
            assert (await one.role.admin("/livez"))[0] == 200
            # Until load balancers have noticed, new requests are still taken.
            async with one.session.post(f"{one.url}/go-on") as other:
                assert other.status == 200
            assert await response.content.read() == b"ended"
        assert await asyncio.wait_for(one.role.process.wait(), 20) == 0
        assert one.events() == ["starting", "ready", "draining", "stopped"]


@WAYS
async def test_after_the_notice_nobody_new_is_let_in(tmp_path: Path, way: tuple[str, str]) -> None:
    async with sample(tmp_path, drain_seconds=0.5) as one:
        async with one.ask(way) as response:
            assert await response.content.readany() == b"begun "
            one.role.process.terminate()
            with pytest.raises(aiohttp.ClientConnectorError):
                await _ask_until_refused(f"{one.url}/absent")
            # The stream never ends by itself: the bound does it, and it is seen to be cut.
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.content.read()
        assert await asyncio.wait_for(one.role.process.wait(), 20) == 0


async def test_it_is_ready_when_its_conditions_hold(tmp_path: Path) -> None:
    port, admin_port = free_ports(2)
    text = config(port, admin_port, late=0.5)
    role = await processes.start("sample", text, tmp_path, admin_port=admin_port, command=[_PROGRAM])
    await asyncio.wait_for(role.wait_ready(503), 20)
    await asyncio.wait_for(role.wait_ready(200), 20)
    assert await role.stop() == 0


async def test_a_stop_while_it_is_not_ready_yet(tmp_path: Path) -> None:
    port, admin_port = free_ports(2)
    text = config(port, admin_port, late=600)
    role = await processes.start("sample", text, tmp_path, admin_port=admin_port, command=[_PROGRAM])
    await asyncio.wait_for(role.wait_ready(503), 20)
    assert await role.stop() == 0
    assert '"event":"ready"' not in role.output()


async def test_a_defect_is_a_line_without_words_and_a_500_that_says_nothing(tmp_path: Path) -> None:
    async with sample(tmp_path) as one:
        async with one.session.get(f"{one.url}/fail") as response:
            assert response.status == 500
            assert CANARY not in await response.text()
        async with one.session.get(f"{one.url}/{CANARY}") as response:
            assert response.status == 404
            assert response.content_type == "application/problem+json"
        assert await one.role.stop() == 0
        assert CANARY not in one.role.output()
        said = [json.loads(line) for line in one.role.output().splitlines()]
    assert {(line.get("kind"), line["event"]) for line in said} >= {
        ("ValueError", "internal_error"),
        ("ZeroDivisionError", "library"),
    }


def test_a_configuration_can_be_checked(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(config(0, 0, fails=True))
    done = run("--config", str(path), "--check-config")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"{path} is a valid configuration of the sample.\n",
        "",
    )


def test_what_cannot_be_configured_is_one_sentence_and_not_restarted(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    for text, says in (
        ("lisen = 5", "unknown field `lisen`"),
        (config(0, 0, fails=True), "The key cannot be used."),
    ):
        path.write_text(text)
        done = run("--config", str(path))
        assert done.returncode == EXIT_CONFIG == 78
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("tacita-sample: ")


@pytest.mark.parametrize("taken", [0, 1], ids=["public", "admin"])
def test_a_port_that_is_taken(tmp_path: Path, taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = [0, 0]
        ports[taken] = other.getsockname()[1]
        path = tmp_path / "c.toml"
        path.write_text(config(*ports))
        done = run("--config", str(path))
    assert done.returncode == EXIT_CONFIG
    assert done.stderr.splitlines()[-1].startswith(
        f"tacita-sample: Cannot listen on 127.0.0.1:{ports[taken]}: "
    )


def test_wrong_usage() -> None:
    done = run()
    assert done.returncode == 2
    assert "--config" in done.stderr
