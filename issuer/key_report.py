"""What an operator wants to know of the keys: where each stands, and what is wrong with them.

Reads and changes nothing. No secret is in a report, and what is in it of a key is what its directory shows.
"""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from issuer.config import KeysConfig
from issuer.key_folder import LEFTOVER_SECONDS, Contents, KeyFolder, KeyName
from issuer.key_types import KEY_TYPES, KeyType, types_named
from issuer.keys import tolerance
from tacita.crypto.keyring import ClockAhead, ClockSetBack, Phase, Schedule
from tacita.errors import TacitaError

__all__ = ["Finding", "KeyEntry", "entries", "findings"]


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key file. Times are UNIX seconds; `key_id` is None where the file cannot be used."""

    type: str
    token_type: int
    epoch: int
    phase: Phase
    not_before: int
    issues_until: int
    dead_from: int
    key_id: bytes | None
    file: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `code`, from a closed set, and a sentence that says what to do."""

    code: str
    sentence: str


def entries(config: KeysConfig, now: float, *, kinds: Mapping[str, KeyType] = KEY_TYPES) -> list[KeyEntry]:
    """Return the keys in the folder as the directory has them, newest first. Raises `ConfigError`."""
    folder = KeyFolder(config.folder)
    order = list(KEY_TYPES)
    names = sorted(folder.look().keys, key=lambda name: (-name.epoch, order.index(name.type)))
    return [_entry(folder, name, now, kinds) for name in names]


def findings(config: KeysConfig, now: float, *, kinds: Mapping[str, KeyType] = KEY_TYPES) -> list[Finding]:
    """Return what is wrong, if anything. Raises `ConfigError` where the folder cannot be read."""
    folder = KeyFolder(config.folder)
    contents = folder.look()
    if not contents.keys and not contents.epochs:
        return [Finding("missing", f"{folder.path} holds no keys; run `tacita keys rotate`.")]
    if contents.periods - {config.period_seconds}:
        found = [Finding("period", f"{folder.path} has keys for another period_seconds; set that back.")]
    else:
        found = [*_clock(config.schedule, contents, now), *_missing(config, contents, now)]
    listed = [_entry(folder, name, now, kinds) for name in contents.keys]
    return [
        *found,
        *_modes(folder, contents),
        *_bad(folder, listed),
        *_remains(folder, contents, listed, now),
    ]


def _entry(folder: KeyFolder, name: KeyName, now: float, kinds: Mapping[str, KeyType]) -> KeyEntry:
    schedule = Schedule(name.period)
    kind = kinds[name.type]
    try:
        key_id = kind.load(folder.read(name)).public_key.key_id
    except TacitaError:
        key_id = None
    return KeyEntry(
        name.type,
        kind.token_type,
        name.epoch,
        schedule.phase(name.epoch, now),
        schedule.start(name.epoch),
        schedule.end(name.epoch),
        schedule.death(name.epoch),
        key_id,
        name.file,
    )


def _clock(schedule: Schedule, contents: Contents, now: float) -> Iterator[Finding]:
    seen = contents.newest_seen(schedule, now)
    assert seen is not None
    try:
        schedule.require_forward(seen, now, tolerance=tolerance(schedule))
        schedule.require_step(seen, now)
    except ClockSetBack:
        yield Finding("clock", "The clock stands before a boundary that has passed; set it right.")
    except ClockAhead:
        yield Finding(
            "clock",
            "The clock is more than a period ahead of the record; set it right, or run "
            "`tacita keys rotate --accept-gap` if there was no issuer for so long.",
        )


def _missing(config: KeysConfig, contents: Contents, now: float) -> Iterator[Finding]:
    present = config.schedule.epoch(now)
    for epoch, what in ((present, "issues now"), (present + 1, "issues next")):
        for kind in types_named(config.types):
            if KeyName(epoch, kind.name, config.period_seconds) not in contents.keys:
                yield Finding(
                    "missing",
                    f"The key of type {kind.name} that {what} is missing; start an issuer, see its log, "
                    "or run `tacita keys rotate`.",
                )


def _modes(folder: KeyFolder, contents: Contents) -> Iterator[Finding]:
    if stat.S_IMODE(folder.path.stat().st_mode) & 0o022:
        yield Finding("mode", f"{folder.path} can be written by others; run chmod 700 {folder.path}.")
    for name in sorted(contents.keys):
        path = folder.path / name.file
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(
                "mode",
                f"{path} is readable by others than its owner; run chmod 600, and see docs/rotation.md.",
            )


def _bad(folder: KeyFolder, listed: list[KeyEntry]) -> Iterator[Finding]:
    for entry in listed:
        if entry.key_id is None:
            yield Finding("unusable", f"{folder.path / entry.file} cannot be used; restore it from a copy.")
    living = [entry for entry in listed if entry.key_id and entry.phase is not Phase.DEAD]
    for at, one in enumerate(living):
        for other in living[:at]:
            assert one.key_id is not None
            assert other.key_id is not None
            if one.key_id[-1] == other.key_id[-1]:
                yield Finding(
                    "collision",
                    f"{one.file} and {other.file} have the same truncated id; remove the newer and rotate.",
                )


def _remains(folder: KeyFolder, contents: Contents, listed: list[KeyEntry], now: float) -> Iterator[Finding]:
    for entry in listed:
        if entry.phase is Phase.DEAD:
            yield Finding(
                "dead", f"{folder.path / entry.file} is dead and still there; run `tacita keys rotate`."
            )
    for path, modified in contents.leftovers.items():
        if modified < now - LEFTOVER_SECONDS:
            yield Finding(
                "leftover", f"{path} was left by a process that was killed; run `tacita keys rotate`."
            )
