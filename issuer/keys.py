"""The keys that the issuer has: made ahead, turned over by the clock, destroyed when they are dead.

    keys = IssuerKeys.of(config.keys)
    keys.turn()                 # at the start, at each boundary, and every now and then: file work, blocks
    keys.present()              # for each request: what issues at this moment

`tacita.crypto.keyring` has the rule. At any moment the folder holds the key that issues, the one
that is published ahead of it, and the one that only redeems; and, from some random moment in each
epoch on, the one that nobody is shown before the next boundary. So all processes have it by then,
turn over by the clock alone, and publish the same bytes without a word between them.

Whoever first misses a key makes it. Keys are made in one order (epoch, then token type), each
with all that came before at hand, so no race ends with two live keys of one truncated id.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Self, TypeAlias

from issuer.config import KeysConfig
from issuer.errors import KeysUnavailable
from issuer.key_folder import Contents, KeyFolder, KeyName, Stamp
from issuer.key_types import KEY_TYPES, KeyType, SigningKey, types_named
from tacita.crypto.keyring import ClockAhead, ClockSetBack, Phase, Schedule
from tacita.errors import ConfigError, CryptoError, DecodeError, TacitaError
from tacita.privacypass.issuing import IssuingKey, IssuingKeys

__all__ = ["IssuerKeys", "KeySource", "LiveKeys", "NoKeys", "Turned", "fixed", "tolerance"]

_TRIES = 20
"""Looks at a folder that others change under our eyes."""

_LATE_SECONDS = 0.2

_DRAWS = 10_000
"""Keys that are made to find a free truncated id; with a hundred keys alive, 100 are almost always enough."""

_POLL_SECONDS = 1.0


class NoKeys(ConfigError):
    """The folder holds no keys, and none are to be made unasked."""


@dataclass(frozen=True, slots=True)
class LiveKeys:
    """The keys of one epoch in the order of the directory, and until when (UNIX seconds) it lasts."""

    issuing: IssuingKeys
    until: float


KeySource: TypeAlias = Callable[[], LiveKeys]
"""Gives the keys of this moment. Raises `KeysUnavailable`."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn has done: the epoch that it found itself in, and the keys that it made and destroyed."""

    epoch: int
    made: tuple[KeyName, ...]
    destroyed: tuple[KeyName, ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What `present` answers from: one value, so that a reader in another thread sees all of it or none."""

    epoch: int
    stamps: Mapping[KeyName, Stamp]
    views: Mapping[int, LiveKeys]


def fixed(keys: IssuingKeys) -> KeySource:
    """Return a source of keys that never turn over, for who manages keys in another way."""
    live = LiveKeys(keys, inf)
    return lambda: live


def tolerance(schedule: Schedule) -> float:
    """Return by how many seconds the clocks of two machines may differ: a quarter period, at most 5."""
    return min(5.0, schedule.period / 4)


class IssuerKeys:
    """The keys in `folder` for token types `types`, turned over by `schedule`.

    `kinds` are all the types that the folder may hold, by name. With `prepare`, keys are made one
    epoch before they are published. `clock` gives UNIX seconds, `rng` numbers from 0 to 1. `turn` and
    `replace` are for one thread at a time; `present` for any.
    """

    def __init__(
        self,
        folder: KeyFolder,
        types: Sequence[KeyType],
        schedule: Schedule,
        *,
        kinds: Mapping[str, KeyType] = KEY_TYPES,
        prepare: bool = True,
        clock: Callable[[], float] = time.time,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._folder = folder
        self._types = types
        self._kinds = kinds
        self._schedule = schedule
        self._prepare = prepare
        self._clock = clock
        self._rng = rng
        self._loaded: dict[KeyName, tuple[Stamp, SigningKey]] = {}
        self._shown: _Shown | None = None
        self._prepare_at = inf

    @classmethod
    def of(
        cls, config: KeysConfig, *, kinds: Mapping[str, KeyType] = KEY_TYPES, prepare: bool = True
    ) -> Self:
        """Return the keys of `config`. Nothing is read or made before the first turn."""
        types = types_named(config.types, kinds)
        return cls(KeyFolder(config.folder), types, config.schedule, kinds=kinds, prepare=prepare)

    def present(self) -> LiveKeys:
        """Return the keys of this moment. By the clock alone: no file is looked at.

        Raises:
            KeysUnavailable: there was no turn for more than a period, or the clock was set back.
        """
        shown = self._shown
        if shown is None:
            raise KeysUnavailable
        slack = tolerance(self._schedule)
        try:
            return shown.views[self._schedule.require_forward(shown.epoch, self._clock(), tolerance=slack)]
        except (KeyError, ClockSetBack):
            raise KeysUnavailable from None

    def wait(self) -> float:
        """Return the seconds until the next turn is due: a boundary, a key to be made, or a look."""
        now = self._clock()
        due = min(self._schedule.until_boundary(now), max(0.0, self._prepare_at - now) or inf)
        return max(0.001, min(due, _POLL_SECONDS, self._schedule.period / 20))

    def turn(self, *, may_begin: bool = True, accept_gap: bool = False) -> Turned:
        """Bring the folder to this moment and read what it holds.

        Makes the keys that are due, records that the epoch has begun, and only then destroys the
        dead. An empty folder is begun with where `may_begin`; a clock that is more than a period
        ahead of the newest record is believed where `accept_gap`.

        Raises:
            ClockSetBack, ClockAhead: the clock cannot be right; nothing was changed.
            NoKeys: the folder is empty and shall not be.
            ConfigError: it cannot be used, a file in it is no key, or it is for another period.
            KeysCollide: somebody has put in two keys with the same truncated id.
        """
        contents = self._folder.look()
        now = self._clock()
        epoch = self._step(contents, now, may_begin=may_begin, accept_gap=accept_gap)
        if contents.epochs.get(self._schedule.period) != epoch:
            self._folder.ensure()
            self._folder.record(self._schedule.period, epoch)
        if self._shown is None or epoch != self._shown.epoch:
            ahead = max(0.0, self._schedule.end(epoch) - now)
            self._prepare_at = now + self._rng() * ahead / 2 if self._prepare else inf
        contents, made = self._complete(epoch, contents)
        self._show(epoch)
        dead = [
            name
            for name in sorted(contents.keys)
            if self._schedule.phase(name.epoch, self._schedule.start(epoch)) is Phase.DEAD
        ]
        destroyed = tuple(name for name in dead if self._destroy(name))
        self._folder.sweep(contents, now)
        return Turned(epoch, made, destroyed)

    def replace(self) -> Turned:
        """Destroy every key, make others in the place of those that issue or will, and show them.

        Tokens under the old keys are worth nothing from the moment at which gateways have the new
        directory. Running processes notice. Raises as `turn`, for a clock that is ahead, too.
        """
        epoch = self.turn().epoch
        old = sorted(self._folder.look().keys)
        made, destroyed = [], []
        # No new key has the truncated id of an old one either: who still asks for that is refused.
        taken = self._truncated_ids()
        for name in old:
            if name.epoch < epoch:
                self._destroy(name)
                destroyed.append(name)
            else:
                content, truncated = _draw(self._kinds[name.type], taken)
                taken.add(truncated)
                reference = self._reference(name)
                self._folder.replace(name, content)
                self._discard(name, reference)
                made.append(name)
        self.turn()
        return Turned(epoch, tuple(made), (*destroyed, *made))

    def _step(self, contents: Contents, now: float, *, may_begin: bool, accept_gap: bool) -> int:
        """Return the epoch to turn to. Raises as `turn`, before anything is changed."""
        schedule, path = self._schedule, self._folder.path
        if contents.periods - {schedule.period}:
            raise ConfigError(
                f"{path} has keys for another period_seconds; set that back, or begin with an empty folder."
            )
        seen = contents.newest_seen(schedule, now)
        if seen is None:
            if self._shown is not None:
                raise ConfigError(f"{path} has lost all its keys; bring it back, or start the issuer again.")
            if not may_begin:
                raise NoKeys(
                    f"{path} holds no keys; if it is the right folder, run `tacita keys rotate` to make some."
                )
            return schedule.epoch(now)
        newest = seen if self._shown is None else max(seen, self._shown.epoch)
        try:
            epoch = schedule.require_forward(newest, now, tolerance=tolerance(schedule))
            if not accept_gap:
                schedule.require_step(seen, now)
        except ClockSetBack:
            raise ClockSetBack(
                "The clock stands before a boundary that the key folder has on record; set it right."
            ) from None
        except ClockAhead:
            raise ClockAhead(
                "The clock is more than a period ahead of the record in the key folder; set it right, or, if "
                "there was no issuer for so long, run `tacita keys rotate --accept-gap`."
            ) from None
        return epoch

    def _complete(self, epoch: int, contents: Contents) -> tuple[Contents, tuple[KeyName, ...]]:
        """Load what is there and make what is missing, one key at a time."""
        made: list[KeyName] = []
        lost: list[KeyName] = []
        while True:
            contents = self._load(epoch, contents)
            missing = next((name for name in self._due(epoch) if name not in self._loaded), None)
            if missing is None:
                return contents, tuple(made)
            kind = self._kinds[missing.type]
            content, _ = _draw(kind, self._truncated_ids())
            if self._folder.add(missing, content):
                made.append(missing)
            else:
                lost.append(missing)
                if kind.discard is not None:
                    kind.discard(content)
            contents = self._folder.look()
            if missing not in contents.keys:
                # A network file system may show late what others have made.
                if lost.count(missing) == _TRIES:
                    raise ConfigError(f"{self._folder.path} does not show {missing.file}, which is in it.")
                time.sleep(_LATE_SECONDS)

    def _due(self, epoch: int) -> Iterator[KeyName]:
        """Name the keys that must be there, in the order in which they are made."""
        last = epoch + (2 if self._clock() >= self._prepare_at else 1)
        for each in range(epoch, last + 1):
            for kind in self._types:
                yield KeyName(each, kind.name, self._schedule.period)

    def _load(self, epoch: int, contents: Contents) -> Contents:
        """Have `_loaded` be what the folder holds of the keys that live, or will soon; return what that is.

        Keys of types that are not issued here are read, too, for their truncated ids.
        """
        for _ in range(_TRIES):
            try:
                self._loaded = self._read_all(epoch, contents)
            except TacitaError:
                # Perhaps somebody has replaced or destroyed a key while we read it.
                again = self._folder.look()
                if again.keys == contents.keys:
                    raise
                contents = again
            else:
                return contents
        raise ConfigError(f"{self._folder.path} changes all the time; see what writes to it.")

    def _read_all(self, epoch: int, contents: Contents) -> dict[KeyName, tuple[Stamp, SigningKey]]:
        loaded = {}
        for name, stamp in contents.keys.items():
            if epoch - self._schedule.redeemable <= name.epoch <= epoch + 2:
                known = self._loaded.get(name)
                loaded[name] = known if known and known[0] == stamp else (stamp, self._read(name))
        return loaded

    def _read(self, name: KeyName) -> SigningKey:
        content = self._folder.read(name)
        try:
            return self._kinds[name.type].load(content)
        except (DecodeError, CryptoError):
            path = self._folder.path / name.file
            raise ConfigError(f"{path} is not a key of its type; restore it from a copy.") from None

    def _destroy(self, name: KeyName) -> bool:
        # Before the file: nobody else knows of what it refers to.
        self._discard(name, self._reference(name))
        return self._folder.destroy(name)

    def _reference(self, name: KeyName) -> bytes | None:
        """Return the content of the file of a key that only refers to it; None for any other."""
        if self._kinds[name.type].discard is None:
            return None
        try:
            return self._folder.read(name)
        except ConfigError:  # another was first
            return None

    def _discard(self, name: KeyName, reference: bytes | None) -> None:
        discard = self._kinds[name.type].discard
        if discard is not None and reference is not None:
            discard(reference)

    def _truncated_ids(self) -> set[int]:
        return {key.public_key.key_id[-1] for _, key in self._loaded.values()}

    def _show(self, epoch: int) -> None:
        """Make the views of this epoch and of the next, which begins while nobody looks."""
        stamps = {name: stamp for name, (stamp, _) in self._loaded.items()}
        if self._shown is None or (self._shown.epoch, self._shown.stamps) != (epoch, stamps):
            views = {each: self._view(each) for each in (epoch, epoch + 1)}
            self._shown = _Shown(epoch, stamps, views)

    def _view(self, epoch: int) -> LiveKeys:
        schedule = self._schedule
        keys = [
            IssuingKey(found[1], schedule.start(each), may_issue=each == epoch)
            for each in schedule.live(schedule.start(epoch))
            for kind in self._types
            if (found := self._loaded.get(KeyName(each, kind.name, schedule.period)))
        ]
        return LiveKeys(IssuingKeys(keys), schedule.end(epoch))


def _draw(kind: KeyType, taken: set[int]) -> tuple[bytes, int]:
    """Return a new key, as its file has it, whose truncated id is none of `taken`, and that id."""
    for _ in range(_DRAWS):
        content = kind.generate()
        truncated = kind.load(content).public_key.key_id[-1]
        if truncated not in taken:
            return content, truncated
        if kind.discard is not None:
            kind.discard(content)
    raise ConfigError(
        "There are too many keys for their truncated ids to be different; use fewer token types."
    )
