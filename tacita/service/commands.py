"""What an operator does from the command line beside a role, such as `tacita-issuer key list`.

Each command is a function that gets the configuration and the parsed options, and returns lines. It
may set `options.exit_code` where the work is done and what it found is bad.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tacita.errors import TacitaError
from tacita.service.config import Struct, load
from tacita.service.run import EXIT_CONFIG

__all__ = ["Parsers", "parsers", "run"]


class Parsers(NamedTuple):
    """The parser of all commands, what takes their first words, and the parent of each command."""

    whole: argparse.ArgumentParser
    nouns: "argparse._SubParsersAction[argparse.ArgumentParser]"
    common: argparse.ArgumentParser


def parsers(role: str, nouns: str) -> Parsers:
    """Return what the commands of `role` are made of; `nouns` is how the first words stand in help."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, required=True, metavar="FILE", help="the TOML configuration")
    whole = argparse.ArgumentParser(prog=f"tacita-{role}")
    whole.set_defaults(exit_code=0)
    return Parsers(whole, whole.add_subparsers(required=True, metavar=nouns), common)


def run(parser: argparse.ArgumentParser, kind: type[Struct], arguments: Sequence[str]) -> int:
    """Run the command that `arguments` spell on a configuration of `kind`; return the exit code."""
    options = parser.parse_args(arguments)
    command: Callable[[Struct, argparse.Namespace], Sequence[str]] = options.command
    try:
        lines = command(load(options.config, kind), options)
    except TacitaError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return EXIT_CONFIG
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return int(options.exit_code)
