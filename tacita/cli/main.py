"""`tacita`: run a whole deployment on this machine, and ask it something.

Thin: each command parses, calls and prints. Exit codes: 0 done, 1 refused or failed (one
sentence says what and what to do), 2 wrong usage, 130 interrupted.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path

from tacita.cli import doctor_options, keys
from tacita.errors import TacitaError

__all__ = ["main", "parser"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's) spell; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        command = _command(options.command)
    except ModuleNotFoundError as error:
        print(f"tacita: the module {error.name} is missing; run pip install 'tacita[all]'.", file=sys.stderr)
        return 1
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a character of the answer shows a question mark.
            stream.reconfigure(errors="replace")
    try:
        return asyncio.run(command(options))
    except TacitaError as error:
        print(f"tacita: {error}", file=sys.stderr)
        if detail := getattr(error, "detail", ""):
            print(f"It said: {detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _command(name: str) -> Callable[[argparse.Namespace], Coroutine[None, None, int]]:
    if name == "keys":  # wants no more than the role does
        return keys.run
    from tacita.cli import ask, doctor, tokens, up  # noqa: PLC0415 (says in one sentence what is missing)

    return {"ask": ask.run, "doctor": doctor.run, "tokens": tokens.run, "up": up.run}[name]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    root = argparse.ArgumentParser(
        prog="tacita", description="Anonymous access to private AI.", allow_abbrev=False
    )
    root.add_argument("--version", action="version", version=f"tacita {version('tacita')}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser(
        "up",
        help="run a whole deployment on this machine",
        description="Run an issuer, a relay, a second mirror, a gateway and a node on this machine, "
        "each as a process of its own, until Ctrl-C. Each start is a fresh deployment.",
        allow_abbrev=False,
    )
    _add_state(up)
    up.add_argument(
        "--target",
        metavar="URL",
        help="an OpenAI-compatible server that takes the place of the node, with or without /v1",
    )

    ask = commands.add_parser(
        "ask",
        help="ask the model something, anonymously",
        description="Ask one question for one token. The first one fetches tokens, each of which was "
        "verified; keys are used only if two mirrors show the same.",
        allow_abbrev=False,
    )
    ask.add_argument("question", metavar="QUESTION", type=_text, help="what to ask")
    _add_state(ask)
    ask.add_argument("--model", metavar="NAME", help="the model to ask, where the target has several")
    ask.add_argument(
        "--max-tokens", type=_positive, metavar="N", help="the longest answer, in tokens of the model"
    )
    ask.add_argument("--explain", action="store_true", help="show afterwards what each party saw")
    ask.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    tokens = commands.add_parser(
        "tokens",
        help="say how many tokens are left, or fetch some ahead",
        description="Print how many tokens are in the wallet. Fetched ahead, at moments that have nothing to "
        "do with asking, they do not let issuer and relay match who fetched with who asked.",
        allow_abbrev=False,
    )
    _add_state(tokens)
    ahead = tokens.add_mutually_exclusive_group()
    ahead.add_argument("--fetch", action="store_true", help="fetch a batch now")
    ahead.add_argument(
        "--keep",
        action="store_true",
        help="stay until Ctrl-C, and fetch a batch at random moments, about eight a day, whenever fewer "
        "than 100 are left",
    )
    doctor_options.add_command(commands)
    keys.add_command(commands)
    return root


def _add_state(command: argparse.ArgumentParser) -> None:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    command.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        default=Path(base) / "tacita",
        help="the folder of the deployment (default: tacita in $XDG_STATE_HOME or ~/.local/state)",
    )


def _text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("there is nothing in it")
    return value


def _positive(value: str) -> int:
    number = int(value) if value.isascii() and value.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError("it is a number from 1 on")
    return number


if __name__ == "__main__":
    sys.exit(main())
