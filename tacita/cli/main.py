"""`tacita`: run a whole deployment on this machine, and ask it something.

Thin: each command parses, calls and prints. Exit codes: 0 done, 1 refused or failed (one
sentence says what and what to do), 2 wrong usage, 130 interrupted.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tacita.errors import TacitaError

__all__ = ["main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's) spell; return the exit code."""
    try:
        from tacita.cli import ask, up  # noqa: PLC0415 (says in one sentence what is missing)
    except ModuleNotFoundError as error:
        print(f"tacita: {error.name} is missing; run pip install 'tacita[client]'.", file=sys.stderr)
        return 1
    options = parser().parse_args(arguments)
    command = {"ask": ask.run, "up": up.run}[options.command]
    try:
        return asyncio.run(command(options))
    except TacitaError as error:
        print(f"tacita: {error}", file=sys.stderr)
        if detail := getattr(error, "detail", ""):
            print(f"It said: {detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    root = argparse.ArgumentParser(
        prog="tacita", description="Anonymous access to private AI.", allow_abbrev=False
    )
    root.add_argument("--version", action="version", version=f"tacita {version('tacita')}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="run issuer, relay, gateway and node on this machine")
    _add_state(up)
    up.add_argument(
        "--target", metavar="URL", help="an OpenAI-compatible server to use in the place of the node"
    )

    ask = commands.add_parser("ask", help="ask the model something, anonymously")
    ask.add_argument("question", help="what to ask")
    _add_state(ask)
    ask.add_argument("--model", metavar="NAME", help="the model to ask, where the target has several")
    ask.add_argument("--max-tokens", type=int, metavar="N", help="the longest answer, in tokens of the model")
    ask.add_argument("--explain", action="store_true", help="show afterwards what each party saw")
    ask.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    return root


def _add_state(command: argparse.ArgumentParser) -> None:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    command.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        default=Path(base) / "tacita",
        help="the folder of the deployment (default: ~/.local/state/tacita)",
    )


if __name__ == "__main__":
    sys.exit(main())
