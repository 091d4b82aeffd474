"""The operator's view of keys: `tacita-issuer key list|rotate|check`, which `tacita keys` runs.

    key list --config FILE [--json]         where each key stands
    key rotate --config FILE [--json]       make what is due, destroy what is dead; the first keys, too
    key check --config FILE [--json]        exit code 1 where something is wrong

A running issuer turns its keys over by itself; `rotate` is for the first keys, after a long pause
(`--accept-gap`), and after a theft or a restore (`--replace`).
"""

import argparse
import time
from collections.abc import Iterable
from typing import Any

from issuer.config import IssuerConfig
from issuer.key_folder import KeyName
from issuer.key_report import KeyEntry, entries, findings
from issuer.keys import IssuerKeys
from issuer.signers.choice import open_engine
from tacita.service.reports import columns, compact_json, findings_told, utc

__all__ = ["add_commands"]


def add_commands(
    nouns: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Add `key` with its verbs to `nouns`. Each one's `command` returns lines; one sets `exit_code`."""
    form = argparse.ArgumentParser(add_help=False)
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    verbs = nouns.add_parser("key", help="the issuer's keys").add_subparsers(required=True)

    listing = verbs.add_parser("list", parents=[common, form], help="list the keys and where each stands")
    listing.set_defaults(command=_list)

    rotate = verbs.add_parser(
        "rotate", parents=[common, form], help="make the keys that are due and destroy those that are dead"
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
        help="destroy all keys and make others: after a theft or a restore; makes all tokens worthless",
    )
    rotate.set_defaults(command=_rotate)

    check = verbs.add_parser("check", parents=[common, form], help="say what is wrong with the keys")
    check.set_defaults(command=_check)


def _list(config: IssuerConfig, options: argparse.Namespace) -> list[str]:
    with open_engine(config.signer) as engine:
        listed = entries(config.keys, time.time(), kinds=engine.kinds)
    if options.json:
        return [compact_json({"keys": [_fields(entry) for entry in listed]})]
    head = ("type", "epoch", "phase", "issues from", "until", "dead from", "key id")
    rows = [
        (
            entry.type,
            str(entry.epoch),
            entry.phase.value,
            utc(entry.not_before),
            utc(entry.issues_until),
            utc(entry.dead_from),
            entry.key_id.hex()[-16:] if entry.key_id else "cannot be used",
        )
        for entry in listed
    ]
    return list(columns((head, *rows)))


def _rotate(config: IssuerConfig, options: argparse.Namespace) -> list[str]:
    with open_engine(config.signer) as engine:
        keys = IssuerKeys.of(config.keys, kinds=engine.kinds, prepare=False)
        turned = keys.replace() if options.replace else keys.turn(accept_gap=options.accept_gap)
    if options.json:
        made, destroyed = ([name.file for name in names] for names in (turned.made, turned.destroyed))
        return [compact_json({"epoch": turned.epoch, "made": made, "destroyed": destroyed})]
    return [*_told("destroyed", turned.destroyed), *_told("made", turned.made)] or ["nothing was due"]


def _check(config: IssuerConfig, options: argparse.Namespace) -> list[str]:
    with open_engine(config.signer) as engine:
        found = findings(config.keys, time.time(), kinds=engine.kinds)
    options.exit_code = 1 if found else 0
    return findings_told(found, as_json=options.json)


def _fields(entry: KeyEntry) -> dict[str, Any]:
    return {
        "type": entry.type,
        "token_type": entry.token_type,
        "epoch": entry.epoch,
        "phase": entry.phase.value,
        "not_before": entry.not_before,
        "issues_until": entry.issues_until,
        "dead_from": entry.dead_from,
        "key_id": entry.key_id.hex() if entry.key_id else None,
        "file": entry.file,
    }


def _told(what: str, names: Iterable[KeyName]) -> list[str]:
    return [f"{what} {name.file}" for name in names]
