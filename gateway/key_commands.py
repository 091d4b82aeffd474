"""The operator's view of keys: `tacita-gateway key …`; `tacita keys` runs the first three.

    key list --config FILE [--json]             where each key stands
    key rotate --config FILE [--json]           turn over what is due; the first chain, too
    key check --config FILE [--json]            exit code 1 where something is wrong
    key export --config FILE SEED               copy the state for another instance
    key import --config FILE SEED [--replace]   take such a copy, and destroy it

A running gateway turns its keys over by itself, and notices what these change.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway.config import GatewayConfig
from gateway.key_report import KeyEntry, entries, findings
from gateway.key_state import StateFile
from gateway.keys import Keyring, Turned
from tacita.errors import ConfigError
from tacita.service import commands
from tacita.service.keyfiles import create_secret
from tacita.service.reports import columns, compact_json, findings_told, utc

__all__ = ["EPILOG", "NAMES", "main"]

NAMES = ("key",)
"""The first word of a command line that is not the service's."""

EPILOG = "Commands: key list|rotate|check|export|import. Each has its own --help."


def main(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` spell; return the exit code."""
    return commands.run(_parser(), GatewayConfig, arguments)


def _parser() -> argparse.ArgumentParser:
    form = argparse.ArgumentParser(add_help=False)
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser, nouns, common = commands.parsers("gateway", "{key}")
    verbs = nouns.add_parser("key", help="the gateway's keys").add_subparsers(required=True)

    listing = verbs.add_parser("list", parents=[common, form], help="list the keys and where each stands")
    listing.set_defaults(command=_list)

    rotate = verbs.add_parser(
        "rotate", parents=[common, form], help="turn over what is due, or begin the first chain"
    )
    only = rotate.add_mutually_exclusive_group()
    only.add_argument(
        "--accept-gap",
        action="store_true",
        help="believe a clock that is more than a period ahead of what was seen last",
    )
    only.add_argument(
        "--replace",
        action="store_true",
        help="destroy the chain and begin another: after a theft; the other instances have to import it",
    )
    rotate.set_defaults(command=_rotate)

    check = verbs.add_parser("check", parents=[common, form], help="say what is wrong with the keys")
    check.set_defaults(command=_check)

    export = verbs.add_parser(
        "export", parents=[common, form], help="copy the chain for another instance into a file (0600)"
    )
    export.add_argument("seed", type=Path, metavar="SEED", help="the file that is made")
    export.set_defaults(command=_export)

    take = verbs.add_parser(
        "import", parents=[common, form], help="take the chain of another instance and destroy the file"
    )
    take.add_argument("seed", type=Path, metavar="SEED", help="what the other instance has exported")
    take.add_argument(
        "--replace", action="store_true", help="destroy the chain that is there already, if it is another"
    )
    take.set_defaults(command=_import)
    return parser


def _list(config: GatewayConfig, options: argparse.Namespace) -> list[str]:
    listed = entries(config.keys)
    if options.json:
        return [compact_json({"keys": [_fields(entry) for entry in listed]})]
    head = ("key id", "kem", "epoch", "phase", "current from", "until", "dead from", "public key")
    rows = [
        (
            str(entry.key_id),
            entry.kem,
            str(entry.epoch),
            entry.phase,
            utc(entry.current_from),
            utc(entry.current_until),
            utc(entry.dead_from),
            entry.public_key.hex()[-16:],
        )
        for entry in listed
    ]
    return list(columns((head, *rows)))


def _rotate(config: GatewayConfig, options: argparse.Namespace) -> list[str]:
    keyring = Keyring(config.keys)
    turned = keyring.replace() if options.replace else keyring.turn(accept_gap=options.accept_gap)
    return _told(turned, options)


def _check(config: GatewayConfig, options: argparse.Namespace) -> list[str]:
    found = findings(config.keys, time.time())
    options.exit_code = 1 if found else 0
    return findings_told(found, as_json=options.json)


def _export(config: GatewayConfig, options: argparse.Namespace) -> list[str]:
    file, seed = StateFile(config.keys.state), options.seed
    state, _ = file.look()
    if state is None:
        raise ConfigError(f"{file.path} is missing; start the gateway, or run `tacita-gateway key rotate`.")
    try:
        written = create_secret(seed, state.encode())
    except OSError as error:
        raise ConfigError(f"{seed} cannot be written: {error.strerror}.") from None
    if not written:
        raise ConfigError(f"{seed} exists already; choose another file.")
    epoch = state.link.epoch
    return [compact_json({"epoch": epoch})] if options.json else [f"exported the chain of epoch {epoch}"]


def _import(config: GatewayConfig, options: argparse.Namespace) -> list[str]:
    return _told(Keyring(config.keys).take(options.seed, replace=options.replace), options)


def _told(turned: Turned, options: argparse.Namespace) -> list[str]:
    if options.json:
        told = {
            "epoch": turned.epoch,
            "begun": turned.begun,
            "taken": turned.taken,
            "steps": turned.steps,
            "erased": turned.erased,
        }
        return [compact_json(told)]
    return list(_sentences(turned)) or ["nothing was due"]


def _sentences(turned: Turned) -> Iterator[str]:
    if turned.begun:
        yield f"began a chain in epoch {turned.epoch}"
    if turned.taken:
        yield "took the chain of the seed, and destroyed that"
    if turned.steps > 0:
        yield f"turned over to epoch {turned.epoch}"
    if turned.erased:
        yield "destroyed the keys whose grace is over"


def _fields(entry: KeyEntry) -> dict[str, Any]:
    return {
        "key_id": entry.key_id,
        "kem": entry.kem,
        "epoch": entry.epoch,
        "phase": entry.phase,
        "current_from": entry.current_from,
        "current_until": entry.current_until,
        "dead_from": entry.dead_from,
        "public_key": entry.public_key.hex(),
    }
