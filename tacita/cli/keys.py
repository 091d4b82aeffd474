"""`tacita keys list|rotate|check`: the keys of a role, by the role's own command.

The library knows no role and no role's files, so each command runs `python -m ROLE key …` and
hands its words and its verdict on.
"""

import argparse
import asyncio
import sys
from pathlib import Path

__all__ = ["add_command", "run"]

_ROLES = ("issuer", "gateway")
"""Those that have the command `key`, with `list`, `rotate` and `check`, and `--config` and `--json`."""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `keys` to the commands of `tacita`."""
    keys = commands.add_parser(
        "keys",
        help="list, turn over or check the keys of an issuer or a gateway",
        description="Running roles turn their keys over by themselves; this is for looking, for the first "
        "keys, and for what only an operator can decide. See docs/rotation.md.",
        allow_abbrev=False,
    )
    verbs = keys.add_subparsers(dest="verb", required=True, metavar="{list,rotate,check}")
    _add(verbs, "list", "list the keys and where each stands")
    rotate = _add(verbs, "rotate", "make the keys that are due and destroy those that are dead")
    only = rotate.add_mutually_exclusive_group()
    only.add_argument(
        "--accept-gap",
        action="store_true",
        help="believe a clock that is more than a period ahead of what was seen last",
    )
    only.add_argument(
        "--replace",
        action="store_true",
        help="destroy all keys and make others: after a theft or a restore; all tokens of an issuer become "
        "worthless",
    )
    _add(verbs, "check", "say what is wrong with the keys; exit code 1 if anything is")


async def run(options: argparse.Namespace) -> int:
    """Run the role's command with our standard output and error; return 0, or 1 where it did not return 0."""
    role = next(role for role in _ROLES if getattr(options, role) is not None)
    arguments = ["key", options.verb, "--config", str(getattr(options, role))]
    for flag in ("json", "accept_gap", "replace"):
        if getattr(options, flag, False):
            arguments.append("--" + flag.replace("_", "-"))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", role, *arguments, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        return 1 if await child.wait() else 0
    except asyncio.CancelledError:
        # Ctrl-C reached the child, too; it is not left behind.
        await child.wait()
        raise


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", verb: str, what: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(verb, help=what, allow_abbrev=False)
    whose = parser.add_mutually_exclusive_group(required=True)
    for role in _ROLES:
        whose.add_argument(f"--{role}", type=Path, metavar="FILE", help=f"the {role}'s configuration")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    return parser
