"""A dialogue with the tool on a terminal, kept as it once was, and replayed: figures aside, it is the same.

TACITA_WRITE_TRANSCRIPTS=1 pytest tests/loadtest/test_transcript.py     # keep what it says now
"""

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

from support.load_tool import load
from support.stand_in import StandIn
from support.terminal import Screen, terminal

_KEPT = Path(__file__).parent / "transcripts" / "sizing.txt"
_FIGURE = re.compile(r"[-+]?\d[\d,.]*(?:e[-+]\d+)?(?: ?(?:µs|ms|s|min|MB|%))?(?:/s)?")


_CHANCE = re.compile(r"not shown|better|worse")
_BUSY = ("The generator was the limit", "The machine was the limit")


def masked(text: str) -> list[str]:
    """Return the words of each line, without figures, widths of columns, and what chance decides."""
    text = _CHANCE.sub("?", text)
    lines = [" ".join(_FIGURE.sub("#", line).replace("─", " ").split()) for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(_BUSY)]


def settled(screen: Screen) -> str:
    """Return what stays on the terminal: what stood in the panel has been wiped out behind it."""
    text = screen.raw.replace("\r\n", "\n")
    # The panel's last act is to erase its lines, one by one, upwards.
    text = text.rpartition("\x1b[1A\x1b[2K")[2] if "\x1b[1A\x1b[2K" in text else text
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return "\n".join(line.rstrip() for line in text.replace("\r", "").split("\n")).strip("\n")


def run(command: str, there: StandIn, folder: Path, shown: list[str]) -> str:
    words = shlex.split(command)[1:]
    if words[0] != "compare":
        words += ["--endpoints", str(there.endpoints), "--prepared", str(folder / "kept")]
    words = [str(folder / word) if word.endswith(".json") and "/" not in word else word for word in words]
    with terminal([sys.executable, "-m", "loadtest", *words]) as screen:
        code = screen.wait()
        shown.append(screen.raw)
        said = settled(screen).replace(str(folder), "DIR")
        return f"{said}\n(exit code {code})"


async def test_a_dialogue_is_as_it_was(there: StandIn, tmp_path: Path) -> None:
    kept = _KEPT.read_text()
    commands = [line.removeprefix("$ ") for line in kept.splitlines() if line.startswith("$ ")]
    shown: list[str] = []
    parts = []
    for command in commands:
        said = await asyncio.to_thread(run, command, there, tmp_path, shown)
        parts.append(f"$ {command}\n{said}\n")
    now = "\n".join(parts)
    if os.environ.get("TACITA_WRITE_TRANSCRIPTS"):
        _KEPT.write_text(now)
        return
    assert masked(now) == masked(kept)


async def test_the_panel_shows_the_run_while_it_goes_on(there: StandIn, tmp_path: Path) -> None:
    shown: list[str] = []
    command = "tacita-load run ask --rate 30 --seconds 3s"
    await asyncio.to_thread(run, command, there, tmp_path, shown)
    for words in ("preparing oneshot", "of 3", "under way", "p99.9", "generator", "no errors"):
        assert words in shown[0]


async def test_lines_where_there_is_no_terminal(there: StandIn, tmp_path: Path) -> None:

    done = await load(
        tmp_path, *("run", "relay", "--rate", "30", "--seconds", "3s", "--endpoints", str(there.endpoints))
    )
    seconds = [line for line in done.err.splitlines() if "answered" in line and "p99.9" in line]
    assert len(seconds) == 3
    assert "\x1b" not in done.err + done.out
    assert done.out.startswith("scenario:")
