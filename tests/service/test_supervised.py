"""What a role says to the supervisor that it runs under, by datagrams and by its exit code."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import processes
from support.ports import free_ports

from tacita.service.exits import EXIT_TEMPORARY

_PROGRAM = str(Path(__file__).parents[1] / "support" / "sample_role.py")

WORKERS = pytest.mark.parametrize("arguments", [[], ["--workers", "2"]], ids=["alone", "workers"])


class Heard:
    """What was said on a socket, in order."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver
        self.said: list[str] = []

    async def until(self, wanted: str) -> None:
        """Hear until the last word begins with `wanted`."""
        loop = asyncio.get_running_loop()
        while not self.said or not self.said[-1].startswith(wanted):
            word = (await loop.sock_recv(self._receiver, 1000)).decode()
            # How often somebody is alive is a matter of time.
            if word != "WATCHDOG=1" or wanted == word:
                self.said.append(word)

    async def hear(self, wanted: str) -> None:
        await asyncio.wait_for(self.until(wanted), 20)


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield Heard(receiver)


async def _start(folder: Path, arguments: list[str], more: str = "") -> processes.Role:
    port, admin_port = free_ports(2)
    config = f"{more}\n[listen]\nport = {port}\n[admin]\nport = {admin_port}\n"
    command = [_PROGRAM, *arguments]
    return await processes.start("sample", config, folder, admin_port=admin_port, command=command)


@WORKERS
async def test_each_step_is_said_once_and_in_order(
    tmp_path: Path, heard: Heard, arguments: list[str]
) -> None:
    role = await _start(tmp_path, arguments)
    await heard.hear("STATUS=ready")
    role.process.send_signal(signal.SIGHUP)
    await heard.hear("RELOADING=1\nMONOTONIC_USEC=")
    await heard.hear("READY=1")
    role.process.terminate()
    await heard.hear("STOPPING=1")
    assert await asyncio.wait_for(role.process.wait(), 20) == 0
    assert [word.split("\n")[0] for word in heard.said] == [
        "READY=1",
        "STATUS=ready",
        "RELOADING=1",
        "READY=1",
        "STOPPING=1",
    ]


@WORKERS
async def test_it_is_up_when_it_listens_and_says_what_it_waits_for(
    tmp_path: Path, heard: Heard, arguments: list[str]
) -> None:
    role = await _start(tmp_path, arguments, "late = 600")
    await heard.hear("READY=1")
    assert heard.said == ["READY=1"]
    await asyncio.wait_for(role.wait_ready(503), 20)
    if not arguments:
        await heard.hear("STATUS=waiting for: warm")
    assert await role.stop() == 0


@WORKERS
async def test_the_watchdog_hears_of_it_all_the_time(
    tmp_path: Path, heard: Heard, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    role = await _start(tmp_path, arguments)
    await heard.hear("STATUS=ready")
    for _ in range(3):
        heard.said.clear()
        await heard.hear("WATCHDOG=1")
    assert await role.stop() == 0


async def test_what_is_away_is_an_exit_code_of_its_own(tmp_path: Path) -> None:
    role = await _start(tmp_path, [], f'away = "{tmp_path}/store"')
    assert await asyncio.wait_for(role.process.wait(), 20) == EXIT_TEMPORARY == 75
    assert role.output() == "tacita-sample: The store is away.\n"
