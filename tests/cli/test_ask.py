"""`tacita ask` against a deployment that `tacita up` runs, in front of a stub model."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.deployments import Up, up
from support.stub_model import stub_running
from support.terminal import terminal
from support.worlds import Middle, served

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("cli")]

_TACITA = [sys.executable, "-m", "tacita.cli.main"]


def command(state: Path, question: str, *more: str) -> list[str]:
    return [*_TACITA, "ask", "--state", str(state), question, *more]


def ask(state: Path, question: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(state, question, *more),
        env={**os.environ, "COLUMNS": "80", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def started(deployment: Up, question: str) -> subprocess.Popen[bytes]:
    arguments = command(deployment.state, question)
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def tokens(state: Path, *more: str) -> str:
    done = subprocess.run(
        [*_TACITA, "tokens", "--state", str(state), *more], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_an_empty_wallet_is_said_to_be_filled_at_a_telling_moment(deployment: Up) -> None:
    (deployment.state / "wallet.sqlite").unlink(missing_ok=True)
    done = ask(deployment.state, "one")
    assert (done.returncode, done.stdout) == (0, "You said: one\n")
    assert done.stderr.startswith("The wallet is empty, so tokens are fetched now: ")
    assert tokens(deployment.state) == "99\n"


def test_tokens_that_were_fetched_ahead(deployment: Up) -> None:
    before = int(tokens(deployment.state))
    assert tokens(deployment.state, "--fetch") == f"{before + 100}\n"
    assert ask(deployment.state, "one").stderr == ""
    assert tokens(deployment.state) == f"{before + 99}\n"


def test_an_answer_and_nothing_else(deployment: Up) -> None:
    done = ask(deployment.state, "Grüße, ☀ world")
    assert (done.returncode, done.stdout, done.stderr) == (0, "You said: Grüße, ☀ world\n", "")


def test_for_programs(deployment: Up) -> None:
    first = json.loads(ask(deployment.state, "one", "--json").stdout)
    second = json.loads(ask(deployment.state, "two", "--json").stdout)
    assert set(first) == {"answer", "tokens_left"}
    assert (first["answer"], second["answer"]) == ("You said: one", "You said: two")
    assert second["tokens_left"] in {first["tokens_left"] - 1, 99}


def test_the_table(deployment: Up) -> None:
    done = ask(deployment.state, "one", "--explain")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "You said: one"
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split()[1:6] for line in lines if line.strip()}
    assert rows["relay"] == ["127.0.0.1", "no", "no", "no", "no"]
    assert rows["gateway"] == ["no", "no", "yes", "yes", "yes"]
    assert rows["node"] == ["no", "no", "no", "yes", "yes"]


def test_on_a_terminal(deployment: Up) -> None:
    with terminal(command(deployment.state, "one", "--explain")) as screen:
        assert screen.wait() == 0
    assert "\x1b[33m" in screen.raw
    assert max(map(len, screen.lines)) <= 80
    assert "You said: one" in screen.lines
    with terminal(command(deployment.state, "one", "--explain"), {"NO_COLOR": "1"}) as screen:
        assert screen.wait() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen.raw)


def test_an_answer_does_not_steer_the_terminal(deployment: Up) -> None:
    done = ask(deployment.state, "\x1b]0;title\x07\x1b[2J\x9b31m\rred\tand\nmore")
    assert done.stdout == "You said: ]0;title[2J31mred\tand\nmore\n"


def test_a_terminal_that_cannot_show_everything(deployment: Up) -> None:
    done = ask(deployment.state, "☀ \U0001f600", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "You said: ? ?\n")
    done = ask(deployment.state, "half \udcff")
    assert done.returncode == 0


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_what_the_target_says_no_to(deployment: Up, more: list[str]) -> None:
    done = ask(deployment.state, "one", "--model", "absent", *more)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "tacita: The gateway or the target refused the request.",
        "It said: There is no such model.",
    ]


def test_an_answer_that_breaks_off(deployment: Up) -> None:
    done = ask(deployment.state, "break off")
    assert done.returncode == 1
    assert done.stdout in {"You\n", ""}
    assert done.stderr == "tacita: The answer broke off before its end; ask again for the rest.\n" or (
        done.stdout == "" and "broke off before it began" in done.stderr
    )
    done = ask(deployment.state, "break off", "--json")
    assert (done.returncode, done.stdout) == (1, "")


def test_an_interrupted_question(deployment: Up) -> None:
    with subprocess.Popen(
        command(deployment.state, "hang on"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        assert one.stdout.read(3) == b"You"
        one.send_signal(signal.SIGINT)
        out, err = one.communicate(timeout=30)
    assert (one.returncode, out, err) == (130, b"\n", b"")


def test_a_reader_that_has_seen_enough(deployment: Up) -> None:
    words = " ".join(["word"] * 20_000)
    with subprocess.Popen(
        command(deployment.state, words), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        assert one.stderr is not None
        one.stdout.read(3)
        one.stdout.close()
        assert one.stderr.read() == b""
    assert one.returncode == 1


@pytest.mark.parametrize(
    ("name", "mode", "says"),
    [("wallet.sqlite", 0o644, "chmod 600"), ("issuer.credential", 0o640, "chmod 600")],
)
def test_files_that_others_can_read(deployment: Up, name: str, mode: int, says: str) -> None:
    ask(deployment.state, "one")
    path = deployment.state / name
    path.chmod(mode)
    try:
        done = ask(deployment.state, "one")
    finally:
        path.chmod(0o600)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_issuer_that_does_not_know_the_account(deployment: Up, tmp_path: Path) -> None:
    document = json.loads((deployment.state / "endpoints.json").read_text())
    document["issuer"]["credential"] = str(tmp_path / "credential")
    (tmp_path / "credential").write_text("canary-credential-aa01")
    (tmp_path / "credential").chmod(0o600)
    (tmp_path / "endpoints.json").write_text(json.dumps(document))
    done = ask(tmp_path, "one")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not know this account" in done.stderr
    assert "canary" not in done.stderr


async def _asked(state: Path, question: str, *more: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *command(state, question, "--json", "--explain", *more), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    document: dict[str, Any] = json.loads(out)
    return document


async def test_the_table_is_true_of_what_relay_and_target_really_got(tmp_path: Path) -> None:
    question = "a question that nobody else asks"
    async with stub_running() as stub:
        deployed = up(tmp_path / "state", stub.url)
        running = await asyncio.to_thread(deployed.__enter__)
        try:
            document = json.loads((running.state / "endpoints.json").read_text())
            credential = (running.state / "issuer.credential").read_bytes().strip()
            middle = Middle(document["relay"]["messages"])
            async with served(middle.handle) as origin:
                document["relay"]["messages"] = f"{origin}/gateway"
                (running.state / "endpoints.json").write_text(json.dumps(document))
                said = await _asked(running.state, question)
        finally:
            await asyncio.to_thread(deployed.__exit__, None, None, None)
    told = said["explain"]
    (path, fields, body), *others = stub.requests
    assert (path, others) == ("/v1/chat/completions", [])
    # The target: the question, no token, no account.
    assert question in body.decode()
    assert told["node"]["question"]
    assert not told["node"]["token"]
    assert "Authorization" not in fields
    assert credential not in body + repr(fields).encode()
    # The relay: the very bytes that it was handed, none of the secrets among them.
    (message,), (answer,), (heads,) = middle.sent, middle.received, middle.heads
    given = [(name, value) for name, value in heads if name.title() in {"Content-Type", "Incremental"}]
    assert told["relay"]["bytes_sent"] == len(message) + sum(len(f"{a}: {b}\r\n") for a, b in given)
    assert told["relay"]["bytes_received"] == len(answer)
    assert {name.title() for name, _ in heads} <= {"Host", "Content-Type", "Incremental", "Content-Length"}
    for secret in (question.encode(), credential, b"PrivateToken", b"You", b" said:"):
        assert secret not in message + answer + repr(heads).encode()
    assert told["relay"]["address"]
    assert not any(told["relay"][name] for name in ("account", "token", "question", "answer"))
    # The gateway: a token and the content; its own log and metrics say that it took one.
    assert [told["gateway"][name] for name in ("address", "account", "token")] == [False, False, True]
    assert told["gateway"]["bytes_received"] > 0
    assert told["issuer"]["account"]
    assert not any(told["issuer"][name] for name in ("token", "question", "answer"))


def test_two_deployments_side_by_side(deployment: Up, model: str, tmp_path: Path) -> None:
    with up(tmp_path / "state", model) as other:
        assert ask(other.state, "there").stdout == "You said: there\n"
        assert ask(deployment.state, "here").stdout == "You said: here\n"
        first = json.loads((deployment.state / "endpoints.json").read_text())
        second = json.loads((other.state / "endpoints.json").read_text())
        assert first["relay"] != second["relay"]
