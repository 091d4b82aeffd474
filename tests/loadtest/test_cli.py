"""The command line as a person meets it: usage, exit codes, and whom load may go to."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.help_blocks import commands
from support.load_reports import full
from support.load_tool import load
from support.stand_in import StandIn

_ROOT = Path(__file__).resolve().parents[2]


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtest", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [[], ["run"], ["prepare"], ["compare"]])
def test_help_is_on_standard_output_and_fits(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = tool(*arguments, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_each_command_has_its_block() -> None:
    assert commands((_ROOT / "docs" / "load.md").read_text()) == [
        "tacita-load --help",
        "tacita-load run --help",
        "tacita-load prepare --help",
        "tacita-load compare --help",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["run"],
        ["run", "nope"],
        ["run", "ask", "--rate", "many"],
        ["run", "ask", "--rate", "0"],
        ["run", "ask", "--rate", "nan"],
        ["run", "ask", "--seconds", "0.5s"],
        ["run", "ask", "--goal", "p99"],
        ["run", "ask", "--ramp", "5..1"],
        ["run", "ask", "--ramp", "1..5", "--seconds", "5s"],
        ["run", "ask", "--mix", "ask=1"],
        ["run", "mixed", "--mix", "nope=1"],
        ["run", "ask", "--fault", "kill-gateway@1s"],
        ["run", "ask", "--local", "--fault", "kill-everything@1s"],
        ["run", "ask", "--local", "--fault", "pause-redis@1s"],
        ["run", "ask", "--local", "--endpoints", "x"],
        ["run", "ask", "--processes", "0"],
        ["prepare", "ask", "--local"],
        ["compare", "x"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = tool(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "tacita-load" in done.stderr


@pytest.mark.parametrize("content", [None, "", "{}", "[]", json.dumps({"format": "other"})])
def test_what_is_no_report(tmp_path: Path, content: str | None) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(full().encode())
    if content is not None:
        bad.write_text(content)
    done = tool("compare", str(good), str(bad))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_a_run_is_as_good_as_itself(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(full().encode())
    done = tool("compare", str(path), str(path))
    assert done.returncode == 0
    assert done.stdout.count("not shown") == 4


@pytest.mark.parametrize(
    ("host", "named"),
    [("192.0.2.7", []), ("[2001:db8::7]", []), ("192.0.2.7", ["192.0.2.8"]), ("load.invalid", ["192.0.2.7"])],
)
async def test_other_machines_are_not_loaded(
    there: StandIn, tmp_path: Path, host: str, named: list[str]
) -> None:
    content = json.loads(there.endpoints.read_text())
    content["relay"]["messages"] = f"https://{host}/gateway"
    there.endpoints.write_text(json.dumps(content))
    operated = [word for one in named for word in ("--i-operate", one)]
    done = await load(tmp_path, "run", "relay", "--endpoints", str(there.endpoints), *operated)
    assert (done.code, done.report) == (1, None)
    sentence = done.err.splitlines()[-1]
    assert ("--i-operate" in sentence) or ("cannot be resolved" in sentence)
    assert there.issued == 0


async def test_the_issuer_counts_as_loaded_where_tokens_are_bought(there: StandIn, tmp_path: Path) -> None:
    content = json.loads(there.endpoints.read_text())
    content["issuer"]["token_request"] = "https://192.0.2.7/token-request"
    there.endpoints.write_text(json.dumps(content))
    done = await load(tmp_path, "run", "ask", "--endpoints", str(there.endpoints))
    assert "--i-operate 192.0.2.7" in done.err
    # Where none are bought it is not asked for anything.
    done = await load(tmp_path, "run", "relay", "--endpoints", str(there.endpoints), "--requests", "10")
    assert done.code == 0, done.err
