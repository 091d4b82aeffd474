"""`tacita doctor` as a person has it: green on `tacita up`, red on the right row elsewhere, exit codes."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.crooked import CREDENTIAL, TARGET, Crooked
from support.deployments import Up
from support.terminal import terminal

from tacita.client.doctor.examination import checks_for
from tacita.client.doctor.subject import Subject

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("cli")]

_TACITA = [sys.executable, "-m", "tacita.cli.main", "doctor"]
_COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_TACITA, *arguments],
        env={**os.environ, "COLUMNS": "80", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def rows(output: str) -> dict[str, str]:
    """Return the verdict of each row."""
    return dict(re.findall(r"^ ([a-z]+\.[a-z0-9-]+) +(ok|WRONG|n/a|untried) ", output, re.MULTILINE))


def test_a_deployment_that_is_well(deployment: Up) -> None:
    done = doctor("--deployment", str(deployment.state))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
    verdicts = rows(done.stdout)
    assert {name for name, verdict in verdicts.items() if verdict != "ok"} == {
        f"{party}.tls" for party in ("relay", "mirror", "gateway", "issuer")
    }
    assert len(verdicts) > 70
    assert re.search(
        r"^\d+ ok, 0 WRONG, 4 n/a, 0 untried\. "
        r"It took \d+ requests; 2 tokens were fetched, 2 of them spent\.$",
        done.stdout,
        re.MULTILINE,
    )
    assert (deployment.state / "issuer.credential").read_text().strip() not in done.stdout


def test_for_programs(deployment: Up) -> None:
    done = doctor("--deployment", str(deployment.state), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert set(document) == {"checks", "verdicts", "requests", "tokens"}
    assert document["tokens"] == {"fetched": 2, "spent": 2}
    assert 50 < document["requests"] < 120
    assert sum(document["verdicts"].values()) == len(document["checks"])
    assert set(document["checks"][0]) == {"id", "says", "clause", "verdict", "detail"}


def test_on_a_terminal(deployment: Up) -> None:
    command = [*_TACITA, "--deployment", str(deployment.state)]
    with terminal(command) as screen:
        assert screen.wait() == 0
    assert _COLOUR.search(screen.raw)
    assert "examining: " in screen.raw
    with terminal(command, {"NO_COLOR": "1"}) as screen:
        assert screen.wait() == 0
    assert not _COLOUR.search(screen.raw)


async def test_a_relay_that_is_not_well(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(CREDENTIAL)
    key.chmod(0o600)
    async with Crooked.running() as there:
        there.mischief = "a cookie through the relay"
        parties = ["--relay", f"{there.relay}/gateway", "--mirror", f"{there.mirror}/gateway"]
        parties += ["--gateway", there.gateway, "--issuer", there.issuer]
        more = ["--target", TARGET, "--account-key", str(key), "--model", "any"]
        done = await asyncio.to_thread(doctor, *parties, *more)
    assert (done.returncode, done.stderr) == (1, "")
    assert [name for name, verdict in rows(done.stdout).items() if verdict == "WRONG"] == ["relay.fields"]
    said = " ".join(done.stdout.split())
    assert "(RFC 9458, Section 5.2): An answer of 200 carries set-cookie." in said
    assert "It took " in said


async def test_a_split_view_is_called_by_its_name() -> None:
    async with Crooked.running() as there:
        there.mischief = "a mirror with another key"
        mirrors = ["--mirror", f"{there.relay}/gateway", "--mirror", f"{there.mirror}/gateway"]
        done = await asyncio.to_thread(doctor, *mirrors, "--json")
        names = f"{there.relay}/gateway", f"{there.mirror}/gateway"
    assert done.returncode == 1
    (wrong,) = [one for one in json.loads(done.stdout)["checks"] if one["verdict"] == "wrong"]
    assert wrong["id"] == "mirror.agreement"
    assert wrong["detail"].startswith("SPLIT VIEW of gateway_keys: ")
    assert all(name in wrong["detail"] for name in names)


def test_nobody_is_there() -> None:
    done = doctor("--relay", "http://127.0.0.1:1/gateway", "--issuer", "http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (2, "")
    assert "WRONG" not in rows(done.stdout).values()
    assert "untried" in rows(done.stdout).values()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "There is nobody to examine"),
        (["--relay", "ftp://x"], "not an http or https URL"),
        (["--relay", "http://me:secret-pw@x"], "user information"),
        (["--issuer", "http://127.0.0.1:1", "--account-key", "/nonexistent"], "/nonexistent"),
        (["--issuer", "http://127.0.0.1:1", "--ca", "/nonexistent"], "/nonexistent"),
        (["--deployment", "/nonexistent"], "Is `tacita up` running?"),
        (
            ["--deployment", "/nonexistent", "--relay", "http://x"],
            "Name either a deployment or single parties.",
        ),
        (["--recording-gateway", "127.0.0.1:9"], "name the relay, and nobody else"),
        (["--recording-gateway", "9", "--relay", "http://x/y"], "HOST:PORT"),
        (["--mirror", "http://x"] * 7, "At most 6 mirrors"),
    ],
)
def test_what_cannot_be_examined(arguments: list[str], sentence: str) -> None:
    done = doctor(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tacita: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert "secret-pw" not in done.stderr


def test_wrong_usage() -> None:
    done = doctor("--rel", "http://x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: tacita")


def masked(transcript: str) -> list[str]:
    """Return the words of a transcript, without what differs from run to run, and wherever lines end."""
    text = re.sub(r"sha256-[0-9a-f]+", "sha256-", transcript)
    return re.sub(r"[0-9][0-9,]*", "0", text).split()


def test_the_transcript_is_what_it_prints(deployment: Up) -> None:
    document = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    (transcript,) = re.findall(r"```console\n\$ tacita doctor [^\n]*\n(.*?)```", document, re.DOTALL)
    assert masked(transcript) == masked(doctor("--deployment", str(deployment.state)).stdout)


def test_the_list_of_checks_is_whole() -> None:
    document = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    here = "http://127.0.0.1:1"
    checks = [
        *checks_for(Subject.of_urls(relay=f"{here}/gateway", gateway=here, issuer=here)),
        *checks_for(Subject.of_recorded_relay(f"{here}/gateway", "127.0.0.1:1")),
    ]
    assert re.findall(r"^\| `([a-z]+\..*)` \| (.*) \| (.*) \|$", document, re.MULTILINE) == [
        (check.id, check.says, check.clause) for check in checks
    ]
