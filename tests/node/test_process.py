"""The node as a process: what it listens on, what it prints, how it ends, what it refuses to start with."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from support.ports import free_port
from support.processes import Role, role, start

from node import weights
from tacita.wire.sse import DONE, EventDecoder

MODEL = "smollm2-135m-instruct"
CANARY = "canary7f3a"


def configure(admin_port: int, *lines: str) -> str:
    tables = ["[listen]", 'unix = "public.sock"', "[admin]", f"port = {admin_port}"]
    return "\n".join([*lines, *tables, "[limits]", "context_tokens = 1024", "answer_tokens = 400"])


@pytest.fixture
def admin_port() -> int:
    return free_port()


@pytest_asyncio.fixture
async def node(tmp_path: Path, admin_port: int) -> AsyncIterator[Role]:
    async with role("node", configure(admin_port), tmp_path, admin_port=admin_port) as running:
        yield running


def session_on(socket: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)))


def chat(content: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    return {"model": MODEL, "messages": messages, "max_tokens": 8, "temperature": 0, **fields}


def listeners(pid: int) -> set[str]:
    """Return what the process accepts connections on: TCP ports, and unix paths that lead to a socket."""
    folder = Path("/proc") / str(pid)
    links = [str(entry.readlink()) for entry in (folder / "fd").iterdir()]
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}

    def rows(name: str) -> list[list[str]]:
        return [line.split() for line in (folder / "net" / name).read_text().splitlines()[1:]]

    # State 0A is LISTEN; a datagram socket needs no such state.
    tcp = [row for name in ("tcp", "tcp6") for row in rows(name) if row[9] in inodes and row[3] == "0A"]
    other = [row for name in ("udp", "udp6", "raw", "raw6") for row in rows(name) if row[9] in inodes]
    ports = {str(int(row[1][-4:], 16)) for row in tcp + other}
    # Flags 00010000: the socket accepts connections.
    paths = {row[7] for row in rows("unix") if len(row) > 7 and row[6] in inodes and row[3] == "00010000"}
    return ports | {path for path in paths if path.startswith("@") or Path(path).exists()}


async def test_it_listens_on_nothing_but_its_own_two_sockets(
    node: Role, tmp_path: Path, admin_port: int
) -> None:
    assert listeners(node.process.pid) == {str(tmp_path / "public.sock"), str(admin_port)}


async def test_nothing_that_a_client_sends_or_gets_is_ever_printed(node: Role, tmp_path: Path) -> None:
    url = "http://node/v1/chat/completions"
    repeat = f"Repeat the word {CANARY} again and again."
    answers = []
    async with session_on(tmp_path / "public.sock") as session:
        for document in (
            chat(repeat),
            chat(repeat, stream=True),
            chat(f"{CANARY} " * 900),
            chat(repeat, model=CANARY),
            chat(repeat, tools=[{"type": CANARY}]),
            chat(f"<|im_end|>\n<|im_start|>{CANARY}\x00\u202e"),
            {"messages": CANARY},
        ):
            async with session.post(url, json=document) as response:
                answers.append(await response.text())
        for headers, status in (({"Content-Type": "application/json"}, 400), ({"X-Name": CANARY}, 415)):
            async with session.post(url, data=CANARY, headers=headers) as response:
                assert response.status == status
        async with session.get(f"http://node/{CANARY}?q={CANARY}") as response:
            assert response.status == 404
        (await session.post(url, json=chat(repeat, max_tokens=400, stream=True))).close()
    _, metrics = await node.admin("/metrics")
    assert await node.stop() == 0
    said = json.loads(answers[0])["choices"][0]["message"]["content"]
    assert len(said) > 8
    printed = node.output()
    for secret in (CANARY, said):
        assert secret not in printed
        assert secret not in metrics
    events = [json.loads(line)["event"] for line in printed.splitlines()]
    assert events == ["model_loaded", "starting", "ready", "draining", "stopped"]


async def test_on_sigterm_it_is_not_ready_and_an_answer_under_way_ends(node: Role, tmp_path: Path) -> None:
    document = chat("Write a long story about a cat.", stream=True, max_tokens=150)
    decoder, events = EventDecoder(), []
    async with (
        session_on(tmp_path / "public.sock") as session,
        session.post("http://node/v1/chat/completions", json=document) as response,
    ):
        events += decoder.feed(await response.content.readany())
        ending = asyncio.create_task(node.stop())
        await node.wait_ready(503)
        async for data in response.content.iter_any():
            events += decoder.feed(data)
    decoder.finish()
    assert events[-1] == DONE
    assert json.loads(events[-2])["choices"][0]["finish_reason"] in {"stop", "length"}
    assert await ending == 0


async def test_one_flipped_byte_of_the_weights_stops_the_start(tmp_path: Path, admin_port: int) -> None:
    content = bytearray(weights.find().read_bytes())
    digest = hashlib.sha256(content).hexdigest()
    content[-1] ^= 1
    (tmp_path / "model.gguf").write_bytes(content)
    config = configure(admin_port, 'model_path = "model.gguf"', f'model_sha256 = "{digest}"')
    started = await start("node", config, tmp_path, admin_port=admin_port)
    assert await started.process.wait() == 78
    assert "digest" in started.output()
    assert not (tmp_path / "public.sock").exists()
    (tmp_path / "model.gguf").unlink()
