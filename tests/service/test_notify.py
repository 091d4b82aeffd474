"""What is said to a supervisor, on real datagram sockets."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tacita.service.notify import Supervisor


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        name = (
            str(tmp_path / "notify")
            if request.param == "path"
            else f"@tacita-test-{os.getpid()}-{id(tmp_path)}"
        )
        receiver.bind(name.replace("@", "\0", 1))
        yield receiver, name


def test_the_states_of_a_service(listening: tuple[socket.socket, str]) -> None:
    receiver, name = listening
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    for say, heard in (
        (supervisor.ready, b"READY=1"),
        (supervisor.stopping, b"STOPPING=1"),
        (supervisor.alive, b"WATCHDOG=1"),
    ):
        say()
        assert receiver.recv(100) == heard
    before = time.monotonic_ns() // 1000
    supervisor.reloading()
    first, second = receiver.recv(100).split(b"\n")
    assert first == b"RELOADING=1"
    assert before <= int(second.removeprefix(b"MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize("name", [None, "", "relative", "vsock:2:1234", "/nowhere/there/is/none"])
def test_nobody_is_there_to_be_told(name: str | None) -> None:
    Supervisor({} if name is None else {"NOTIFY_SOCKET": name}).ready()


def test_one_that_does_not_read_is_not_waited_for(listening: tuple[socket.socket, str]) -> None:
    _receiver, name = listening
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    for _ in range(2000):
        supervisor.alive()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({}, 0),
    ],
)
def test_how_often_the_watchdog_wants_to_hear(environment: dict[str, str], seconds: float) -> None:
    assert Supervisor({"NOTIFY_SOCKET": "/run/x", **environment}).watchdog_seconds == seconds
    assert Supervisor(environment).watchdog_seconds == 0
