"""Help of the commands, as it stands in the documents: each block that begins with `$ COMMAND --help`.

python tests/support/help_blocks.py docs/cli.md     # bring the blocks of a document up to date
"""

import os
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["brought_up_to_date", "commands", "help_of"]

_MODULES = {
    "tacita": "tacita.cli.main",
    "tacita-relay": "relay",
    "tacita-gateway": "gateway",
    "tacita-issuer": "issuer",
    "tacita-node": "node",
    "tacita-load": "loadtest",
}
_BLOCK = re.compile(r"^```console\n\$ (?P<command>tacita[^\n]* --help)\n.*?^```$", re.DOTALL | re.MULTILINE)


def commands(document: str) -> list[str]:
    """Return the command of each block in `document`."""
    return [match["command"] for match in _BLOCK.finditer(document)]


def help_of(command: str) -> str:
    """Return what `command` prints on a terminal of 80 columns."""
    program, *arguments = command.split()
    done = subprocess.run(
        [sys.executable, "-m", _MODULES[program], *arguments],
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def brought_up_to_date(document: str) -> str:
    """Return `document` with each block as the program has it now."""

    def block(match: re.Match[str]) -> str:
        return f"```console\n$ {match['command']}\n{help_of(match['command'])}```"

    return _BLOCK.sub(block, document)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(brought_up_to_date(path.read_text()))
