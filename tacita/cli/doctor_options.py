"""The command line of `tacita doctor`, which needs nothing to be installed to be explained."""

import argparse
from pathlib import Path

__all__ = ["add_command"]


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `doctor` to the commands of `tacita`."""
    doctor = commands.add_parser(
        "doctor",
        help="examine a running relay, gateway or issuer from outside",
        description="Send about a hundred requests, one after the other, to parties of yours or of others, "
        "and say where they do what they should. Exit code 0: all is well; 1: something is wrong; "
        "2: something could not be tried, or the command line is wrong.",
        allow_abbrev=False,
    )
    doctor.add_argument(
        "--deployment",
        type=Path,
        metavar="DIR",
        help="examine what `tacita up` runs in this folder, and spend two tokens of its account",
    )
    doctor.add_argument("--relay", metavar="URL", help="the relay's resource for the gateway")
    doctor.add_argument(
        "--mirror",
        metavar="URL",
        action="append",
        default=[],
        help="a mirror, without /keys at the end; to be compared with others, so give it several times",
    )
    doctor.add_argument("--gateway", metavar="URL", help="the gateway")
    doctor.add_argument("--issuer", metavar="URL", help="the issuer")
    doctor.add_argument(
        "--keys", metavar="URL", help="the gateway's key configurations, if not at its well-known path"
    )
    doctor.add_argument(
        "--target",
        metavar="URL",
        help="the origin inside requests (default: https and what the challenge says)",
    )
    doctor.add_argument(
        "--recording-gateway",
        metavar="HOST:PORT",
        help="listen here, where --relay forwards to, and look at what it sends; examine nothing else",
    )
    doctor.add_argument("--model", metavar="NAME", help="ask this chat model for an answer that streams")
    doctor.add_argument(
        "--account-key",
        type=Path,
        metavar="FILE",
        help="a file (0600) with the key of an account: fetch a token with it, or two with --model, and "
        "spend them",
    )
    doctor.add_argument("--ca", type=Path, metavar="FILE", help="trust these roots (PEM) and no others")
    doctor.add_argument("--json", action="store_true", help="print one JSON object, for programs")
