"""A role as several processes: one port, one operator's port, one life."""

import asyncio
import io
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support import processes
from support.ports import free_ports

from tacita.service.exits import EXIT_CONFIG
from tacita.service.logs import Logger
from tacita.service.metrics import Metrics
from tacita.service.workers import Pace, Workers

pytestmark = pytest.mark.e2e

_PROGRAM = str(Path(__file__).parents[1] / "support" / "sample_role.py")


def text(port: int, admin_port: int, **more: Any) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in more.items()]
    return "\n".join([*lines, f"[listen]\nport = {port}", f"[admin]\nport = {admin_port}"])


@dataclass
class Several:
    """A role that runs as several processes."""

    role: processes.Role
    url: str

    def events(self, worker: int | None = None) -> list[str]:
        """Return what this worker has logged; without one, the supervisor."""
        lines = [json.loads(line) for line in self.role.output().splitlines()]
        return [line["event"] for line in lines if line.get("worker") == worker]

    async def ask(self, path: str = "/process", method: str = "GET") -> str:
        """Return the answer, over a connection of its own."""
        async with aiohttp.ClientSession() as stranger, stranger.request(method, self.url + path) as response:
            assert response.status == 200
            return await response.text()

    async def until_asked(self, count: int, *, without: str = "") -> list[str]:
        """Ask until `count` processes have answered; return all answers."""
        answers: list[str] = []
        while len({*answers} - {without}) < count:
            answers.append(await self.ask())
        return answers

    async def until_logged(self, event: str, *, times: int = 1, worker: int | None = None) -> None:
        while self.events(worker).count(event) < times:  # noqa: ASYNC110 (a file tells nobody)
            await asyncio.sleep(0.02)

    async def metric(self, name: str) -> float:
        _, shown = await self.role.admin("/metrics")
        return next(float(line.split()[1]) for line in shown.splitlines() if line.startswith(name + " "))


@asynccontextmanager
async def several(folder: Path, count: int = 2, **more: Any) -> AsyncIterator[Several]:
    port, admin_port = free_ports(2)
    command = [_PROGRAM, "--workers", str(count)]
    async with processes.role(
        "sample", text(port, admin_port, **more), folder, admin_port=admin_port, command=command
    ) as role:
        yield Several(role, f"http://127.0.0.1:{port}")


async def test_they_share_a_port_and_are_counted_together(tmp_path: Path) -> None:
    async with several(tmp_path, 3) as all_:
        answers = await all_.until_asked(3)
        assert await all_.metric("tacita_sample_asked_total") == len(answers)
        assert await all_.metric("tacita_sample_least") == min(map(int, answers))
        assert await all_.metric("tacita_sample_workers") == 3
        assert str(all_.role.process.pid) not in answers
        # Answers may come before the supervisor has heard from all of them.
        await all_.until_logged("ready")
        assert await all_.role.stop() == 0
        assert all_.events() == ["starting", "ready", "stopped"]
        for number in (1, 2, 3):
            assert all_.events(number) == ["starting", "ready", "draining", "stopped"]


async def test_one_that_dies_is_started_anew_and_what_it_counted_stays(tmp_path: Path) -> None:
    async with several(tmp_path) as all_:
        answers = await all_.until_asked(2)
        total = await all_.metric("tacita_sample_asked_total")
        assert total == len(answers)
        os.kill(int(answers[0]), signal.SIGKILL)
        await asyncio.wait_for(all_.until_logged("worker_ended"), 10)
        await asyncio.wait_for(all_.role.wait_ready(), 20)
        more = await all_.until_asked(2)
        assert answers[0] not in more
        assert await all_.metric("tacita_sample_asked_total") == total + len(more)
        assert await all_.metric("tacita_sample_worker_restarts_total") == 1
        assert await all_.role.stop() == 0


async def test_while_one_is_missing_it_is_not_ready_and_the_others_answer(tmp_path: Path) -> None:
    async with several(tmp_path) as all_:
        first, second = {*await all_.until_asked(2)}
        os.kill(int(first), signal.SIGSTOP)
        await asyncio.wait_for(all_.role.wait_ready(503), 20)
        assert (await all_.role.admin("/readyz"))[1] == "waiting for: workers\n"
        assert (await all_.role.admin("/livez"))[0] == 200
        assert await all_.metric("tacita_sample_workers") == 2
        os.kill(int(first), signal.SIGCONT)
        await asyncio.wait_for(all_.role.wait_ready(), 20)
        assert {*await all_.until_asked(2)} == {first, second}
        assert await all_.role.stop() == 0


async def test_told_to_stop_all_let_end_what_is_under_way(tmp_path: Path) -> None:
    async with several(tmp_path, drain_notice_seconds=1.0) as all_, aiohttp.ClientSession() as session:
        async with session.post(f"{all_.url}/lane") as response:
            assert await response.content.readany() == b"begun "
            all_.role.process.terminate()
            await all_.role.wait_ready(503)
            assert (await all_.role.admin("/readyz"))[1] == "waiting for: stopping\n"
            ended = asyncio.create_task(response.content.read())
            while not ended.done():
                # Whichever worker takes it.
                await all_.ask("/go-on", "POST")
            assert await ended == b"ended"
        assert await asyncio.wait_for(all_.role.process.wait(), 20) == 0


async def test_a_signal_to_reload_reaches_all(tmp_path: Path) -> None:
    async with several(tmp_path) as all_:
        all_.role.process.send_signal(signal.SIGHUP)
        await asyncio.wait_for(all_.until_logged("reloaded"), 20)
        assert all_.events(1).count("reloaded") == all_.events(2).count("reloaded") == 1
        assert await all_.role.stop() == 0


async def test_one_that_is_told_to_end_is_replaced(tmp_path: Path) -> None:
    async with several(tmp_path) as all_:
        answers = await all_.until_asked(2)
        os.kill(int(answers[0]), signal.SIGTERM)
        await asyncio.wait_for(all_.until_logged("worker_ended"), 20)
        assert answers[0] not in await all_.until_asked(2)
        assert all_.role.process.returncode is None
        assert await all_.role.stop() == 0


async def test_workers_that_keep_dying_are_the_end(tmp_path: Path) -> None:
    async with several(tmp_path) as all_:

        async def kill() -> None:
            while True:
                try:
                    await all_.ask("/die", "POST")
                except aiohttp.ClientError:
                    await asyncio.sleep(0.01)

        killing = asyncio.create_task(kill())
        assert await asyncio.wait_for(all_.role.process.wait(), 60) == 70
        killing.cancel()
        assert "workers_keep_ending" in all_.events()


async def test_without_their_supervisor_they_end(tmp_path: Path) -> None:
    async with several(tmp_path) as all_:
        await all_.until_asked(2)
        all_.role.process.kill()
        for number in (1, 2):
            await asyncio.wait_for(all_.until_logged("stopped", worker=number), 20)


@pytest.mark.parametrize(
    ("listen", "says"),
    [("port = 0", "share one TCP port"), ('port = 1\nunix = "x"', "share one TCP port")],
)
async def test_what_cannot_be_shared(tmp_path: Path, listen: str, says: str) -> None:
    config = f"[listen]\n{listen}\n[admin]\nport = 0\n"
    role = await processes.start(
        "sample", config, tmp_path, admin_port=0, command=[_PROGRAM, "--workers", "2"]
    )
    assert await asyncio.wait_for(role.process.wait(), 20) == EXIT_CONFIG
    assert says in role.output()


async def test_a_port_of_another_program_is_not_joined(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = text(other.getsockname()[1], 0)
        role = await processes.start(
            "sample", config, tmp_path, admin_port=0, command=[_PROGRAM, "--workers", "2"]
        )
        assert await asyncio.wait_for(role.process.wait(), 20) == EXIT_CONFIG
    assert "Cannot listen on" in role.output()


async def test_what_is_wrong_with_all_is_said_by_one_and_ends_it(tmp_path: Path) -> None:
    port, admin_port = free_ports(2)
    config = text(port, admin_port, fails=True)
    role = await processes.start(
        "sample", config, tmp_path, admin_port=admin_port, command=[_PROGRAM, "--workers", "4"]
    )
    assert await asyncio.wait_for(role.process.wait(), 20) == EXIT_CONFIG
    assert role.output().count("The key cannot be used.") == 1


async def test_what_is_away_is_waited_for(tmp_path: Path) -> None:
    port, admin_port = free_ports(2)
    config = text(port, admin_port, away=str(tmp_path / "store"))
    role = await processes.start(
        "sample", config, tmp_path, admin_port=admin_port, command=[_PROGRAM, "--workers", "2"]
    )
    await asyncio.wait_for(role.wait_ready(503), 20)
    while role.output().count("The store is away.") < 2:  # noqa: ASYNC110 (a file tells nobody)
        await asyncio.sleep(0.05)
    (tmp_path / "store").touch()
    await asyncio.wait_for(role.wait_ready(), 30)
    assert await role.stop() == 0


async def test_one_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    port, admin_port = free_ports(2)
    config = tmp_path / "sample.toml"
    config.write_text(text(port, admin_port))
    said = io.StringIO()
    command = [sys.executable, _PROGRAM, "--config", str(config), "--workers", "2", "--as-worker"]
    workers = Workers(
        command, 2, Logger("sample", {}, stream=said), Metrics("sample"), Pace(answer=0.2, hung=0.5, look=0.1)
    )
    up = asyncio.Event()
    running = asyncio.create_task(workers.run(up.set, lambda: None))
    await asyncio.wait_for(up.wait(), 20)
    all_ = Several(processes.Role.__new__(processes.Role), f"http://127.0.0.1:{port}")
    first, second = {*await all_.until_asked(2)}
    os.kill(int(first), signal.SIGSTOP)
    while '"event":"worker_ended"' not in said.getvalue():  # noqa: ASYNC110 (a log tells nobody)
        await asyncio.sleep(0.02)
    assert json.loads(said.getvalue().splitlines()[0])["event"] == "worker_hung"
    while await workers.missing():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert second in {*await all_.until_asked(2)} - {first}
    workers.stop()
    assert await asyncio.wait_for(running, 20) == 0
