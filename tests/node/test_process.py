"""The node as a process: what it listens on, what it prints, how it ends, what it refuses to start with."""

import asyncio
import contextlib
import hashlib
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from node import weights
from node.sse import DONE, EventDecoder

MODEL = "smollm2-135m-instruct"
CANARY = "canary7f3a"


def configure(folder: Path, *lines: str) -> Path:
    path = folder / "node.toml"
    tables = ['[listen]\nunix = "public.sock"', '[admin]\nunix = "admin.sock"']
    path.write_text("\n".join([*lines, *tables, "[limits]\ncontext_tokens = 1024\nanswer_tokens = 400"]))
    return path


async def start(config: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "node", "--config", str(config))
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.STDOUT)


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(configure(folder))
    try:
        await until_ready(folder / "admin.sock")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until_ready(socket: Path) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with session_on(socket) as session, session.get("http://node/readyz") as response:
                if response.status == 200:
                    return
        await asyncio.sleep(0.05)


def session_on(socket: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)))


def chat(content: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    return {"model": MODEL, "messages": messages, "max_tokens": 8, "temperature": 0, **fields}


async def test_it_listens_on_nothing_but_its_own_two_sockets(tmp_path: Path) -> None:
    async with running(tmp_path) as process:
        folder = Path("/proc") / str(process.pid)
        inodes = {
            link.removeprefix("socket:[").removesuffix("]")
            for link in (str(entry.readlink()) for entry in (folder / "fd").iterdir())
            if link.startswith("socket:[")
        }
        internet = [
            line.split()
            for name in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")
            for line in (folder / "net" / name).read_text().splitlines()[1:]
        ]
        assert not [fields for fields in internet if fields[9] in inodes]
        # Flags 00010000: the socket accepts connections.
        unix = [line.split() for line in (folder / "net" / "unix").read_text().splitlines()[1:]]
        listening = [f[7] if len(f) > 7 else "" for f in unix if f[6] in inodes and f[3] == "00010000"]
        reachable = {path for path in listening if path.startswith("@") or Path(path).exists()}
        assert reachable == {str(tmp_path / "public.sock"), str(tmp_path / "admin.sock")}


async def test_nothing_that_a_client_sends_or_gets_is_ever_printed(tmp_path: Path) -> None:
    async with running(tmp_path) as process:
        answers = []
        async with session_on(tmp_path / "public.sock") as session:
            url = "http://node/v1/chat/completions"
            repeat = f"Repeat the word {CANARY} again and again."
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
            async with session.post(
                url, data=CANARY, headers={"Content-Type": "application/json"}
            ) as response:
                assert response.status == 400
            async with session.post(url, data=CANARY, headers={"X-Name": CANARY}) as response:
                assert response.status == 415
            async with session.get(f"http://node/{CANARY}?q={CANARY}") as response:
                assert response.status == 404
            asked = asyncio.create_task(session.post(url, json=chat(repeat, max_tokens=400, stream=True)))
            (await asked).close()
        async with (
            session_on(tmp_path / "admin.sock") as session,
            session.get("http://node/metrics") as response,
        ):
            metrics = await response.text()
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
        assert process.returncode == 0
        said = json.loads(answers[0])["choices"][0]["message"]["content"]
        printed = output.decode() + metrics
        assert CANARY not in printed
        assert len(said) > 8
        assert said not in printed
        events = [json.loads(line)["event"] for line in output.decode().splitlines()]
        assert events == ["model_loaded", "starting", "ready", "draining", "stopped"]


async def test_on_sigterm_it_is_not_ready_and_an_answer_under_way_ends(tmp_path: Path) -> None:
    async with running(tmp_path) as process:
        decoder, events = EventDecoder(), []
        async with (
            session_on(tmp_path / "public.sock") as session,
            session_on(tmp_path / "admin.sock") as admin,
            session.post(
                "http://node/v1/chat/completions",
                json=chat("Write a long story about a cat.", stream=True, max_tokens=150),
            ) as response,
        ):
            events += decoder.feed(await response.content.readany())
            process.send_signal(signal.SIGTERM)
            while True:
                async with admin.get("http://node/readyz") as readiness:
                    if readiness.status == 503:
                        break
            async for data in response.content.iter_any():
                events += decoder.feed(data)
        decoder.finish()
        assert events[-1] == DONE
        assert json.loads(events[-2])["choices"][0]["finish_reason"] in {"stop", "length"}
        await process.communicate()
        assert process.returncode == 0


async def test_one_flipped_byte_of_the_weights_stops_the_start(tmp_path: Path) -> None:
    original = weights.find()
    with original.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    copy = tmp_path / "model.gguf"
    shutil.copyfile(original, copy)
    with copy.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    process = await start(configure(tmp_path, 'model_path = "model.gguf"', f'model_sha256 = "{digest}"'))
    output, _ = await process.communicate()
    copy.unlink()
    assert process.returncode == 78
    assert b"digest" in output
    assert not (tmp_path / "public.sock").exists()
