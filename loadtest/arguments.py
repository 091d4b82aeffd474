"""The command line of `tacita-load`."""

import argparse
from pathlib import Path
from typing import Any

from loadtest.scenarios import MIXED, SCENARIOS

__all__ = ["add_commands"]


def add_commands(root: argparse.ArgumentParser) -> None:
    """Add the commands to `root`."""
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="send load, and report what became of it",
        description="Send sealed requests, each paid for with a token of its own, and account for all of "
        "them. An open loop with --rate or --ramp, else a closed one.",
        allow_abbrev=False,
    )
    _scenario(run)
    _where(run)
    _how_much(run)
    _what(run)
    _faults(run)
    _report(run)
    prepare = commands.add_parser(
        "prepare",
        help="make the requests of a later run",
        description="Make what a run with the same options would need, and keep it for that run.",
        allow_abbrev=False,
    )
    _scenario(prepare)
    _where(prepare)
    _how_much(prepare)
    _what(prepare)
    prepare.set_defaults(
        local=False,
        faults=[],
        store="sqlite",
        target_delay="0",
        goal=None,
        json=None,
        markdown=None,
        html=None,
    )
    compare = commands.add_parser(
        "compare",
        help="compare two reports",
        description="Compare two runs; intervals say whether a difference is more than chance.",
        allow_abbrev=False,
    )
    compare.add_argument("a", type=Path, metavar="A.json", help="the report of the first run")
    compare.add_argument("b", type=Path, metavar="B.json", help="the report of the second run")


def _scenario(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "scenario", choices=(*SCENARIOS, MIXED), metavar="SCENARIO", help=", ".join((*SCENARIOS, MIXED))
    )
    command.add_argument("--mix", metavar="SHARES", help="what mixed is made of (ask=80,stream=15,issue=5)")


def _where(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("where to")
    group.add_argument(
        "--endpoints",
        type=Path,
        metavar="FILE",
        help="endpoints.json of the deployment (default: that of `tacita up`)",
    )
    group.add_argument(
        "--i-operate",
        dest="operated",
        action="append",
        default=[],
        metavar="HOST",
        help="a host that is yours to load; without this, only this machine is",
    )
    group.add_argument("--prepared", type=Path, metavar="DIR", help="where prepared requests are kept")


def _how_much(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("how much")
    _add(group, "--rate", "N", None, "requests a second, whatever was answered: an open loop")
    group.add_argument(
        "--arrivals",
        choices=("constant", "poisson"),
        default="constant",
        help="at even distances, or by chance (default: constant)",
    )
    _add(group, "--ramp", "A..B", None, "rates from A to B, as 100..5000x1.25/5s, up to the knee")
    _add(group, "--concurrency", "N", "32", "requests under way in a closed loop")
    _add(group, "--seconds", "TIME", None, "how long (default: 10s, with --soak 10m)")
    _add(group, "--requests", "N", None, "how many at most (a closed loop: 5000)")
    _add(group, "--processes", "N", None, "load processes (default: what the machine has left)")
    _add(group, "--connections", "N", "256", "connections of each process to one address")
    _add(group, "--timeout", "TIME", "30s", "how long an answer may take")
    group.add_argument("--soak", action="store_true", help="watch memory and descriptors of the target grow")
    group.add_argument("--seed", type=int, default=1, metavar="N", help="of chance (default: 1)")


def _what(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what is sent")
    _add(group, "--size", "BYTES", "400", "length of the question")
    _add(group, "--max-tokens", "N", "16", "bound on the answer of a real model")
    _add(group, "--batch", "N", "100", "tokens in a request of the scenario issue")


def _faults(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("a deployment of its own")
    group.add_argument("--local", action="store_true", help="start one, with a target of known delay")
    _add(group, "--target-delay", "TIME", "0", "that delay")
    group.add_argument(
        "--store", choices=("sqlite", "redis"), default="sqlite", help="its spent store (default: sqlite)"
    )
    group.add_argument(
        "--fault",
        dest="faults",
        action="append",
        default=[],
        metavar="FAULT",
        help="as kill-gateway@10s+2s; docs/load.md lists them",
    )


def _report(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what comes of it")
    _add(group, "--goal", "GOAL", None, "as p99<50ms,errors=0,rps>=2000: exit code 0 if reached, else 1")
    for name, what in (("json", "JSON"), ("markdown", "Markdown"), ("html", "one HTML file with plots")):
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write the report as {what}")


def _add(group: Any, name: str, metavar: str, default: str | None, what: str) -> None:
    told = what if default is None else f"{what} (default: {default})"
    group.add_argument(name, metavar=metavar, default=default, help=told)
