"""What an operator does with accounts, invitations and keys while the issuer runs or before it does.

    tacita-issuer account add NAME --config FILE [--tier TIER] [--key-file PATH]
    tacita-issuer account list --config FILE
    tacita-issuer account remove NAME --config FILE
    tacita-issuer invite create --count N --tokens M --expires DAYS --config FILE
    tacita-issuer invite list --config FILE
    tacita-issuer invite revoke LABEL... | --all --config FILE
    tacita-issuer key list|rotate|check --config FILE [--json]

A running issuer notices a changed accounts file, and new invitations, by itself.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from issuer.accounts import AccountsFile
from issuer.attesters.api_key import digest_of, new_api_key
from issuer.attesters.config import ApiKeyConfig, InvitationConfig
from issuer.config import IssuerConfig
from issuer.invitations import Invitations, Listed
from issuer.key_commands import add_commands
from tacita.errors import ConfigError
from tacita.service import commands
from tacita.service.keyfiles import create_secret

__all__ = ["EPILOG", "NAMES", "main"]

NAMES = ("account", "invite", "key")
"""The first word of a command line that is not the service's."""

EPILOG = (
    "Commands: account add|list|remove, invite create|list|revoke, key list|rotate|check. Each has its "
    "own --help. --engines prints which signing engines this machine has and how fast they are."
)


def main(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` spell; return the exit code."""
    return commands.run(_parser(), IssuerConfig, arguments)


def _parser() -> argparse.ArgumentParser:
    parser, nouns, common = commands.parsers("issuer", "{account,invite,key}")

    account = nouns.add_parser("account", help="who may have tokens").add_subparsers(required=True)
    add = account.add_parser("add", parents=[common], help="add an account and show its API key, once")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--tier", help="a tier of the configuration; needed where there are several")
    add.add_argument(
        "--key-file", type=Path, metavar="PATH", help="write the API key to this file (0600) instead"
    )
    add.set_defaults(command=_add)
    listing = account.add_parser("list", parents=[common], help="list name, tier and day of each account")
    listing.set_defaults(command=_list)
    remove = account.add_parser(
        "remove",
        parents=[common],
        help="remove an account (tokens that it has already fetched stay valid until their key dies)",
    )
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(command=_remove)

    invite = nouns.add_parser("invite", help="codes that buy tokens once").add_subparsers(required=True)
    create = invite.add_parser("create", parents=[common], help="make invitation codes and show them, once")
    create.add_argument(
        "--count", type=_between(1, 10_000), default=1, metavar="N", help="how many codes (default: 1)"
    )
    create.add_argument(
        "--tokens", type=_between(1, 1_000_000), required=True, metavar="M", help="what each of them buys"
    )
    create.add_argument(
        "--expires",
        type=_between(1, 366),
        required=True,
        metavar="DAYS",
        help="after how many days, at midnight UTC, they expire",
    )
    create.set_defaults(command=_invite)
    invitations = invite.add_parser(
        "list", parents=[common], help="list the invitations, without their codes, and how many there are"
    )
    invitations.set_defaults(command=_list_invitations)
    revoke = invite.add_parser(
        "revoke",
        parents=[common],
        help="delete invitations (tokens that were had for them stay valid until their key dies)",
    )
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("labels", nargs="*", default=[], metavar="LABEL", help="as the list has them")
    which.add_argument("--all", action="store_true", help="all of them")
    revoke.set_defaults(command=_revoke)

    add_commands(nouns, common)
    return parser


def _add(config: IssuerConfig, options: argparse.Namespace) -> list[str]:
    accounts = _accounts(config)
    tier = options.tier or _only_tier(config)
    if tier not in config.tiers:
        raise ConfigError("The configuration has no tier of that name; see its table [tiers].")
    api_key = new_api_key()
    if options.key_file is not None:
        _write_api_key(options.key_file, api_key)
    try:
        accounts.add(options.name, tier, digest_of(api_key), created=datetime.now(UTC).date().isoformat())
    except BaseException:
        if options.key_file is not None:
            options.key_file.unlink(missing_ok=True)
        raise
    return [] if options.key_file is not None else [api_key]


def _only_tier(config: IssuerConfig) -> str:
    if len(config.tiers) > 1:
        raise ConfigError("The configuration has several tiers; say which one with --tier.")
    return next(iter(config.tiers))


def _accounts(config: IssuerConfig) -> AccountsFile:
    if not isinstance(config.attester, ApiKeyConfig):
        raise ConfigError("This issuer has no accounts of its own: its attester is not of the kind api-key.")
    return AccountsFile(config.attester.accounts)


def _write_api_key(path: Path, api_key: str) -> None:
    try:
        written = create_secret(path, api_key.encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    if not written:
        raise ConfigError(f"{path} exists already; choose another file for the API key.")


def _list(config: IssuerConfig, _options: argparse.Namespace) -> list[str]:
    records = _accounts(config).read()
    width = max((len(record.name) for record in records), default=0)
    return [f"{record.name:{width}}  {record.tier}  {record.created}" for record in records]


def _remove(config: IssuerConfig, options: argparse.Namespace) -> list[str]:
    _accounts(config).remove(options.name)
    return []


def _invite(config: IssuerConfig, options: argparse.Namespace) -> list[str]:
    with closing(_invitations(config)) as invitations:
        return invitations.create(options.count, options.tokens, options.expires, now=time.time())


def _list_invitations(config: IssuerConfig, _options: argparse.Namespace) -> list[str]:
    with closing(_invitations(config)) as invitations:
        listed = invitations.listed()
    now = time.time()
    width = max((len(str(one.tokens)) for one in listed), default=0)
    lines = [
        f"{one.label}  {one.tokens:{width}}  {datetime.fromtimestamp(one.expires, UTC):%Y-%m-%d}  "
        f"{_state(one, now)}"
        for one in listed
    ]
    states = [_state(one, now) for one in listed]
    return [*lines, f"{states.count('valid')} valid, {states.count('expired')} expired"]


def _state(one: Listed, now: float) -> str:
    return "valid" if now < one.expires else "expired"


def _revoke(config: IssuerConfig, options: argparse.Namespace) -> list[str]:
    with closing(_invitations(config)) as invitations:
        return [f"revoked {invitations.revoke(None if options.all else set(options.labels))}"]


def _invitations(config: IssuerConfig) -> Invitations:
    if not isinstance(config.attester, InvitationConfig):
        raise ConfigError("This issuer takes no invitations: its attester is not of the kind invitation.")
    return Invitations(config.attester.database)


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a number from {least} to {most} is expected")
        return int(text)

    return number
