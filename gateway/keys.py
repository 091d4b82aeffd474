"""The gateway's keys as they turn over: what the state file holds, advanced by the clock.

    keyring = Keyring(config.keys)
    keyring.turn()          # at the start, at each boundary, and every now and then: file work, blocks
    keyring.shown.keys      # for each message: what opens it

In epoch n the keys of n are published, and behind them those of n+1, which are accepted as well:
key configurations have no not-before, so whoever has a copy may use either. At the boundary the
chain of n+1 is stored, that of n destroyed, and the private keys of n stay for the grace. All of
it follows from the chain and the clock, so instances with one chain need not talk to each other.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import NamedTuple

from gateway.config import KeysConfig
from gateway.key_state import KEMS, KeyState, Retired, StateFile, seed_leftovers
from gateway.ratchet import CHAIN_SIZE, Link, RatchetKey, advance, gateway_key
from tacita.crypto.keyring import ClockAhead, ClockSetBack, Schedule
from tacita.errors import ConfigError
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig
from tacita.service.keyfiles import destroy_secret, read_secret

__all__ = ["Keyring", "Shown", "Turned", "leads_to", "read_seed", "tolerance"]

_POLL_SECONDS = 1.0

_UNCOUNTED = 1 / 16
"""Part of the time that may pass without `uptime` counting it: machines are paused and moved."""

_UPTIME_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Only Linux has the former, and needs it: there the latter stands still in sleep."""

_MAX_LEAD = 100_000
"""Epochs over which two chains are compared: 270 years of days, and an instant."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The keys of one epoch. One value, so that whoever reads it sees all of it or none.

    `published` are the configurations in their order, until the UNIX time `until`; `keys` has
    these and, until the UNIX time `grace_until`, the keys of the epoch before.
    """

    epoch: int
    published: tuple[KeyConfig, ...]
    keys: GatewayKeys
    until: float
    grace_until: float


class _Both(NamedTuple):
    """What is shown in the grace of the epoch before, and after it."""

    in_grace: Shown
    afterwards: Shown


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn has done: the epoch that it found itself in, and what it changed.

    `begun`: with a chain of its own; `taken`: with the one of a seed; `steps`: epochs advanced;
    `erased`: the grace of the epoch before is over; `changed`: of the keys that are shown.
    """

    epoch: int
    begun: bool = False
    taken: bool = False
    steps: int = 0
    erased: bool = False
    changed: bool = False


def tolerance(schedule: Schedule) -> float:
    """Return by how many seconds a clock may be put back: a quarter period, at most 5."""
    return min(5.0, schedule.period / 4)


def read_seed(path: Path) -> KeyState:
    """Return what another instance has exported into the file `path`. Raises `ConfigError`."""
    return KeyState.decode(read_secret(path, "a seed of the gateway's keys"), path)


def leads_to(earlier: KeyState, later: KeyState) -> bool:
    """Say whether the chain of `later` is that of `earlier`, advanced or not."""
    if not 0 <= later.link.epoch - earlier.link.epoch <= _MAX_LEAD:
        return False
    link = earlier.link
    for link in advance(earlier.link, later.link.epoch):  # noqa: B007 (the last one counts)
        pass
    return earlier.period == later.period and link == later.link


def _uptime() -> float:
    """Return the seconds since the machine started, those of its sleep among them."""
    return time.clock_gettime(_UPTIME_CLOCK)


class Keyring:
    """The keys of `config`.

    `clock` gives UNIX seconds, `uptime` seconds that nobody sets, `random` so many random bytes.
    `turn`, `replace` and `take` are for one thread at a time; `shown` is for any. All three raise

    - `ClockSetBack`, `ClockAhead`: the clock cannot be right; nothing was changed;
    - `ConfigError`: a file cannot be used, is no key state, or is for another period.
    """

    def __init__(
        self,
        config: KeysConfig,
        *,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = _uptime,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._file = StateFile(config.state)
        self._seed = config.seed
        self._schedule = config.schedule
        self._grace = config.grace_seconds
        self._kems = [KEMS[name] for name in config.kems]
        self._clock = clock
        self._uptime = uptime
        self._random = random
        self._since: tuple[float, float] | None = None
        self._state: KeyState | None = None
        self._shown: _Both | None = None
        self._prepared: dict[RatchetKey, GatewayKey] = {}

    @property
    def shown(self) -> Shown:
        """The keys of this moment; there are none before the first turn.

        What is past its grace is not among them, whatever becomes of the next turn.
        """
        assert self._shown is not None
        in_grace, afterwards = self._shown
        return in_grace if self._clock() < in_grace.grace_until else afterwards

    @property
    def age(self) -> float:
        """The seconds since the epoch began whose keys are shown; from a period on they are out of date."""
        return self._clock() - self._schedule.start(self.shown.epoch)

    @property
    def up_to_date(self) -> bool:
        """Whether the epoch that is shown is not over yet."""
        return self._clock() < self.shown.until

    def wait(self) -> float:
        """Return the seconds until the next turn is due: a boundary, the end of a grace, or a look."""
        now = self._clock()
        due = min(due - now for due in (self.shown.until, self.shown.grace_until, inf) if due > now)
        return max(0.001, min(due, _POLL_SECONDS, self._schedule.period / 20))

    def turn(self, *, accept_gap: bool = False) -> Turned:
        """Bring state file and keys to this moment; take the seed, or begin a chain, where there is none.

        A clock that is more than a period ahead of the file is believed where `accept_gap`.
        """
        with self._file.locked():
            found = self._file.read()
            state, seed = self._origin(found)
            now = self._clock()
            epoch = self._step(state, now, accept_gap=accept_gap)
            after = self._advanced(state, epoch, now)
            self._store(found, after, seed)
        return Turned(
            epoch,
            begun=found is None and seed is None,
            taken=seed is not None and state is not found,
            steps=epoch - state.link.epoch,
            erased=state.retired is not None and after.retired is None,
            changed=self._show(after),
        )

    def replace(self) -> Turned:
        """Begin a chain of our own in the place of the one that is there. Nothing of that is accepted."""
        with self._file.locked():
            found = self._file.read()
            epoch = self._schedule.epoch(self._clock())
            if found is not None:
                self._require_period(found, self._file.path)
                epoch = self._forward(found.link.epoch)
            after = KeyState(self._schedule.period, Link(epoch, self._random(CHAIN_SIZE)))
            self._store(found, after, None)
        return Turned(epoch, begun=True, changed=self._show(after))

    def take(self, seed: Path, *, replace: bool = False) -> Turned:
        """Take the chain of the file `seed`, which is then destroyed.

        Raises:
            ConfigError: there is another chain already, and it is not to be replaced.
        """
        with self._file.locked():
            found = self._file.read()
            self._require_other(seed)
            self._destroy(seed, taken=False)
            state = read_seed(seed)
            self._require_period(state, seed)
            if found is not None and leads_to(state, found):
                state = found
            elif found is not None and not leads_to(found, state) and not replace:
                raise ConfigError(
                    f"{self._file.path} has another chain already; give --replace to have it destroyed."
                )
            now = self._clock()
            epoch = self._step(state, now, accept_gap=False)
            after = self._advanced(state, epoch, now)
            self._store(found, after, seed)
        return Turned(epoch, taken=True, steps=epoch - state.link.epoch, changed=self._show(after))

    def _origin(self, found: KeyState | None) -> tuple[KeyState, Path | None]:
        """Return the state to go on from, and the seed that is to be destroyed once that is stored."""
        path, seed = self._file.path, self._seed
        if found is not None:
            self._require_period(found, path)
        elif self._state is not None:
            raise ConfigError(f"{path} was lost; bring it back, or start the gateway again.")
        if seed is not None and seed.exists():
            self._require_other(seed)
            planted = read_seed(seed)
            self._require_period(planted, seed)
            if found is None:
                return planted, seed
            if not leads_to(planted, found):
                # A file that fell behind goes on from where another instance has got to.
                if leads_to(found, planted):
                    return planted, seed
                raise ConfigError(
                    f"{path} has another chain than the seed {seed}; remove the seed, or take it with "
                    "`tacita-gateway key import --replace`."
                )
            return found, seed
        if found is not None:
            return found, None
        if seed is not None:
            raise ConfigError(
                f"{path} is missing and so is its seed {seed}; export one from a running instance, or take "
                "`seed` out of the configuration to begin a chain of its own."
            )
        link = Link(self._schedule.epoch(self._clock()), self._random(CHAIN_SIZE))
        return KeyState(self._schedule.period, link), None

    def _require_other(self, seed: Path) -> None:
        """Refuse the state file under another name: a seed is destroyed in the end."""
        if seed.exists() and self._file.path.exists() and seed.samefile(self._file.path):
            raise ConfigError(f"{seed} is the state file itself; give what another instance has exported.")

    def _require_period(self, state: KeyState, path: Path) -> None:
        if state.period != self._schedule.period:
            raise ConfigError(
                f"{path} is for another period_seconds; set that back, or begin with another file."
            )

    def _forward(self, reached: int) -> int:
        newest = reached if self._shown is None else max(reached, self._shown.in_grace.epoch)
        try:
            return self._schedule.require_forward(newest, self._clock(), tolerance=tolerance(self._schedule))
        except ClockSetBack:
            raise ClockSetBack(
                "The clock stands before a boundary that the key state has passed; set it right."
            ) from None

    def _step(self, state: KeyState, now: float, *, accept_gap: bool) -> int:
        """Return the epoch to advance to. Raises as `turn`, before anything is changed."""
        epoch = self._forward(state.link.epoch)
        passed = self._passed(now)
        if accept_gap:
            return epoch
        try:
            self._schedule.require_step(state.link.epoch, now)
            # Nor may a clock that is set ahead again and again turn the ratchet faster than time passes.
            self._schedule.require_step(self._schedule.epoch(passed), now)
        except ClockAhead:
            raise ClockAhead(
                "The clock is more than a period ahead of the key state, or of the time that has passed; set "
                "it right, or, if there was no gateway for so long, import the state of another instance or "
                "run `tacita-gateway key rotate --accept-gap`."
            ) from None
        return epoch

    def _passed(self, now: float) -> float:
        """Return how late it can be, up to `now`, by the time that has passed since this was last asked."""
        uptime = self._uptime()
        latest = now
        if self._since is not None:
            clock, before = self._since
            latest = min(now, clock + (uptime - before) * (1 + _UNCOUNTED))
        self._since = latest, uptime
        return latest

    def _advanced(self, state: KeyState, epoch: int, now: float) -> KeyState:
        """Return `state` at `epoch`: with the keys of the epoch before, as long as their grace lasts."""
        link, retired = state.link, state.retired
        for following in advance(state.link, epoch):
            if following.epoch == epoch:
                retired = Retired(self._schedule.start(epoch) + self._grace, link.keys(self._kems))
            link = following
        if retired is not None:
            # Whoever shortens the grace, or exports with a longer one, means it.
            until = min(retired.until, self._schedule.start(epoch) + self._grace)
            retired = Retired(until, retired.keys) if now < until else None
        return KeyState(state.period, link, retired)

    def _store(self, found: KeyState | None, after: KeyState, seed: Path | None) -> None:
        if found != after:
            self._file.write(after)
        else:
            self._file.sweep()
        for path in {seed, self._seed}:
            if path is not None:
                self._destroy(path, taken=path == seed)

    def _destroy(self, seed: Path, *, taken: bool) -> None:
        """Destroy the seed, if it was taken, and what a crash has left of it in any case."""
        try:
            for leftover in seed_leftovers(seed):
                destroy_secret(leftover)
            if taken:
                destroy_secret(seed)
        except OSError as error:
            raise ConfigError(
                f"{seed} was taken but cannot be destroyed: {error.strerror}; remove it, and any other "
                "copy of it, or whoever finds one has all later keys."
            ) from None

    def _show(self, state: KeyState) -> bool:
        """Make the keys of `state` those that are shown; say whether they are others than before."""
        if state == self._state:
            return False
        listed = [*state.link.keys(self._kems), *state.link.following().keys(self._kems)]
        ids = {key.key_id for key in listed}
        # They never meet, unless another release has given an id by another rule.
        retired = [key for key in (state.retired.keys if state.retired else ()) if key.key_id not in ids]
        self._prepared = {key: self._prepared.get(key) or gateway_key(key) for key in (*listed, *retired)}
        offered = [self._prepared[key] for key in listed]
        afterwards = Shown(
            state.link.epoch,
            tuple(key.config for key in offered),
            GatewayKeys(offered),
            self._schedule.end(state.link.epoch),
            inf,
        )
        in_grace = afterwards
        if state.retired is not None:
            keys = GatewayKeys([*offered, *(self._prepared[key] for key in retired)])
            in_grace = replace(afterwards, keys=keys, grace_until=state.retired.until)
        self._shown = _Both(in_grace, afterwards)
        self._state = state
        return True
