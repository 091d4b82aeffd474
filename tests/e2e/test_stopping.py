"""The end of a deployment: exit 0, no process left, streams under way finished."""

import asyncio
import os
import signal
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from support import deployments
from support.asking import Client, request
from support.targets import Feed, Target, reserved_port, streaming

from tacita.bhttp import Content, ResponseHead
from tacita.cli.deployment import Deployment

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_stops_everything_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    with deployments.up(tmp_path / "state") as command:
        started = deployments.children(command.process.pid)
        assert len(started) == 5
        assert command.stop(number) == 0
        assert not [pid for pid in started if _alive(pid)]
    logs = list((tmp_path / "state" / "logs").iterdir())
    assert len(logs) == 5
    for log in logs:
        assert log.read_text().rstrip().endswith('"event":"stopped"}'), log


def test_each_role_ends_with_code_0(tmp_path: Path) -> None:
    with deployments.running(Deployment.create(tmp_path / "state", None)) as roles:
        codes = roles.stop()
        output = {name: roles.output(name) for name in codes}
    assert codes == dict.fromkeys(["issuer", "relay", "mirror", "gateway", "node"], 0)
    for text in output.values():
        assert text.index('"event":"draining"') < text.index('"event":"stopped"')


def test_no_role_outlives_a_killed_up(tmp_path: Path) -> None:
    with deployments.up(tmp_path / "state", "http://127.0.0.1:1") as command:
        started = deployments.children(command.process.pid)
        assert len(started) == 4
        command.process.kill()
        command.process.wait()
        deadline = time.monotonic() + 40
        while left := [pid for pid in started if _alive(pid)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)


async def test_an_answer_under_way_is_finished(tmp_path: Path) -> None:
    feed = Feed()
    with reserved_port() as port:
        async with Target.at(port) as target:
            target.answer = streaming(feed)
            command = deployments.Up(tmp_path / "state", target.url)
            try:
                await asyncio.to_thread(command.wait_announced)
                client = await Client.of(command.state)
                sealed = request(target.url, await client.token())
                async with client.exchange(sealed) as exchange, aclosing(exchange.events()) as events:
                    assert isinstance(await anext(events), ResponseHead)
                    command.process.terminate()
                    await asyncio.to_thread(_wait_for_drain, command.state / "logs")
                    feed.send(b"the rest")
                    feed.end()
                    # Runs to the final chunk, or raises.
                    rest = [event async for event in events]
                assert Content(b"the rest") in rest
                assert await asyncio.to_thread(command.process.wait, 40) == 0
            finally:
                command.process.kill()
                command.process.wait()


def _wait_for_drain(logs: Path) -> None:
    deadline = time.monotonic() + 30
    while not all('"event":"draining"' in log.read_text() for log in logs.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody has waited for yet is gone for us.
    return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
