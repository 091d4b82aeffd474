"""What an operator wants to know of the gateway's keys: where each stands, and what is wrong with them.

Reads and changes nothing. No secret is in a report, and what is in it of a key is what is published.
"""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.config import KeysConfig
from gateway.key_state import KEMS, KeyState, StateFile, seed_leftovers
from gateway.keys import leads_to, read_seed, tolerance
from gateway.ratchet import RatchetKey
from tacita.crypto.hpke import Kem
from tacita.crypto.keyring import ClockAhead, ClockSetBack
from tacita.errors import ConfigError

__all__ = ["Finding", "KeyEntry", "entries", "findings"]

_NAMES = {kem: name for name, kem in KEMS.items()}


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key. Times are UNIX seconds; `phase` is next, current or retired."""

    key_id: int
    kem: str
    epoch: int
    phase: str
    current_from: int
    current_until: int
    dead_from: int
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `code`, from a closed set, and a sentence that says what to do."""

    code: str
    sentence: str


def entries(config: KeysConfig) -> list[KeyEntry]:
    """Return the keys of the state file: as they are published, then those within their grace.

    Raises:
        ConfigError: the file cannot be used.
    """
    state, _ = StateFile(config.state).look()
    if state is None:
        return []
    kems: list[Kem] = [KEMS[name] for name in config.kems]
    listed = [
        *_entries(config, state, state.link.epoch, "current", state.link.keys(kems)),
        *_entries(config, state, state.link.epoch + 1, "next", state.link.following().keys(kems)),
    ]
    if state.retired is not None:
        listed += _entries(config, state, state.link.epoch - 1, "retired", state.retired.keys)
    return listed


def findings(config: KeysConfig, now: float) -> list[Finding]:
    """Return what is wrong at the UNIX time `now`, if anything."""
    file = StateFile(config.state)
    try:
        state, leftovers = file.look()
    except ConfigError as error:
        return [Finding("unusable", str(error))]
    if state is None:
        return [
            Finding(
                "missing", f"{file.path} is missing; start the gateway, or run `tacita-gateway key rotate`."
            )
        ]
    if state.period != config.period_seconds:
        return [Finding("period", f"{file.path} is for another period_seconds; set that back.")]
    return [*_clock(config, state, now), *_seed(config, state), *_folder(file, leftovers)]


def _entries(
    config: KeysConfig, state: KeyState, epoch: int, phase: str, keys: tuple[RatchetKey, ...]
) -> Iterator[KeyEntry]:
    begin, end = epoch * state.period, (epoch + 1) * state.period
    for key in keys:
        private = key.private_key
        yield KeyEntry(
            key.key_id,
            _NAMES[private.kem],
            epoch,
            phase,
            begin,
            end,
            end + config.grace_seconds,
            private.public_key.to_bytes(),
        )


def _clock(config: KeysConfig, state: KeyState, now: float) -> Iterator[Finding]:
    schedule, reached = config.schedule, state.link.epoch
    try:
        schedule.require_forward(reached, now, tolerance=tolerance(schedule))
        present = schedule.require_step(reached, now)
    except ClockSetBack:
        yield Finding("clock", "The clock stands before a boundary that the keys have passed; set it right.")
        return
    except ClockAhead:
        yield Finding(
            "clock",
            "The clock is more than a period ahead of the keys; set it right, or, if there was no gateway "
            "for so long, import the state of another instance or run "
            "`tacita-gateway key rotate --accept-gap`.",
        )
        return
    # A running gateway turns within a second or two.
    late = now - schedule.start(reached + 1)
    if present > reached and late > tolerance(schedule):
        yield Finding("behind", "The keys of this epoch are not in force; start the gateway, or see its log.")
    elif state.retired is not None and now > state.retired.until + tolerance(schedule):
        yield Finding(
            "retired",
            "Keys whose grace is over are still there; start the gateway, or run "
            "`tacita-gateway key rotate`.",
        )


def _seed(config: KeysConfig, state: KeyState) -> Iterator[Finding]:
    if config.seed is None:
        return
    yield from _left(seed_leftovers(config.seed))
    if not config.seed.exists():
        return
    try:
        same = leads_to(read_seed(config.seed), state)
    except ConfigError as error:
        yield Finding("seed", str(error))
        return
    if same:
        yield Finding("seed", f"The seed {config.seed} was not destroyed; run `tacita-gateway key rotate`.")
    else:
        yield Finding("seed", f"The seed {config.seed} is for another chain; remove it.")


def _folder(file: StateFile, leftovers: Iterable[Path]) -> Iterator[Finding]:
    folder = file.path.parent
    if stat.S_IMODE(folder.stat().st_mode) & 0o022:
        yield Finding("mode", f"{folder} can be written by others; run chmod 700 {folder}.")
    yield from _left(leftovers)


def _left(leftovers: Iterable[Path]) -> Iterator[Finding]:
    for path in leftovers:
        yield Finding(
            "leftover", f"{path} was left by a crash and holds keys; run `tacita-gateway key rotate`."
        )
