"""The real model behind everything: an answer arrives while it is made."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.asking import Client, request_head
from support.deployments import get

from tacita.client import chat
from tacita.wire import sse

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("model")]

QUESTION = {"role": "user", "content": "Name three colours, then explain what a colour is."}


async def _answered(admin: str) -> float:
    """Return how many requests the node has answered to the end."""
    _, metrics = await asyncio.to_thread(get, f"{admin}/metrics")
    series = 'tacita_node_requests_total{result="answered"} '
    (line,) = [line for line in metrics.decode().splitlines() if line.startswith(series)]
    return float(line.removeprefix(series))


async def test_an_answer_streams_and_ends_cleanly(real: Path, tmp_path: Path) -> None:
    client = await Client.of(real)
    admin = json.loads((real / "endpoints.json").read_text())["node"]["admin"]
    before = await _answered(admin)
    content = json.dumps(
        {
            "model": client.endpoints.target.model,
            "messages": [QUESTION],
            "stream": True,
            "max_tokens": 64,
        }
    ).encode()
    head = request_head(
        client.endpoints.target.url,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    )
    clock = asyncio.get_running_loop().time
    arrivals: list[tuple[float, str]] = []
    under_way = None
    decoder = sse.EventDecoder()
    events: list[str] = []
    async with (
        client.session(tmp_path / "wallet.sqlite", await client.tokens(1)) as session,
        session.send(head, content) as answer,
    ):
        assert answer.status == 200
        # Runs to the final chunk: an answer without one raises AnswerTruncated.
        async for piece in answer.pieces():
            told = list(decoder.feed(piece))
            events += told
            text = "".join(_text(event) for event in told)
            if text:
                arrivals.append((clock(), text))
                if under_way is None:
                    under_way = await _answered(admin) == before
    assert under_way, "the first text came when the model had finished"
    times = [time for time, _ in arrivals]
    assert len(arrivals) >= 3
    assert times == sorted(set(times)), "pieces came together"
    assert "".join(text for _, text in arrivals).strip()
    assert events[-1] == sse.DONE
    assert await _answered(admin) == before + 1


def _text(event: str) -> str:
    if event == sse.DONE:
        return ""
    return str(json.loads(event)["choices"][0]["delta"].get("content") or "")


async def test_the_client_gives_text_as_it_is_made(real: Path, tmp_path: Path) -> None:
    client = await Client.of(real)
    async with client.session(tmp_path / "wallet.sqlite", await client.tokens(1)) as session:
        model = client.endpoints.target.model
        pieces = [piece async for piece in chat.stream(session, model, [QUESTION], max_tokens=24)]
    assert len(pieces) >= 3
    assert "".join(pieces).strip()


def test_the_command_asks_and_explains(real: Path) -> None:
    command = [sys.executable, "-m", "tacita.cli.main", "ask", "--state", str(real)]
    command += ["Why is the sky blue?", "--explain", "--json", "--max-tokens", "24"]
    said = subprocess.run(command, check=True, capture_output=True, timeout=60)
    document = json.loads(said.stdout)
    assert document["answer"].strip()
    columns = ("address", "account", "token", "question", "answer")
    seen = {party: [view[column] for column in columns] for party, view in document["explain"].items()}
    assert seen == {
        "issuer": [True, True, False, False, False],
        "relay": [True, False, False, False, False],
        "gateway": [False, False, True, True, True],
        "node": [False, False, False, True, True],
    }
