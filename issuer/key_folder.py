"""The folder that all processes of an issuer share: key files, and the record of the boundaries that passed.

    <folder>/<type>.<period>.<epoch>.key    a private key, 0600; it issues from period x epoch (UNIX time) on
    <folder>/epoch.<period>.<epoch>         empty: this epoch has begun, somebody's clock has said so
    <folder>/.<name>.…                      being written or destroyed

A name says everything about a key but its secret, so that all processes, on one machine or on
several, publish the same of it. A key file appears whole, by link(2), which only one of many wins
(also on NFS), and nobody changes it; only an operator's `rotate --replace` puts another in its place.
No locks, therefore, that a machine could die with.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from issuer.key_types import KEY_TYPES
from tacita.crypto.keyring import Schedule
from tacita.errors import ConfigError
from tacita.service.key_folder import NUMBER, KeyFiles, KeyName, Stamp
from tacita.service.keyfiles import create_secret, destroy_secret, sync_folder, write_secret

__all__ = ["LEFTOVER_SECONDS", "Contents", "KeyFolder", "KeyName", "Stamp"]

LEFTOVER_SECONDS = 3600.0
"""After so long nobody is still writing or destroying a file."""

_TYPE = "|".join(KEY_TYPES)
_EPOCH = re.compile(rf"epoch\.{NUMBER}\.{NUMBER}")
_LEFTOVER = re.compile(rf"\.+(?:{_TYPE})\.[0-9]+\.[0-9]+\.key\..+")


@dataclass(frozen=True, slots=True)
class Contents:
    """What the folder held: keys, the newest recorded epoch of each period, and files to be cleared away."""

    keys: Mapping[KeyName, Stamp]
    epochs: Mapping[int, int]
    leftovers: Mapping[Path, float]
    """When each was last changed (UNIX seconds)."""

    @property
    def periods(self) -> set[int]:
        """The lengths in seconds of all periods that anything here is for."""
        return {name.period for name in self.keys} | set(self.epochs)

    def newest_seen(self, schedule: Schedule, now: float) -> int | None:
        """Return the newest epoch that is known to have begun; None for an empty folder.

        Keys whose record was lost tell as much: they are made in the epoch before their own or in the
        one before that.
        """
        recorded = self.epochs.get(schedule.period)
        if recorded is not None or not self.keys:
            return recorded
        newest = max(self.keys).epoch
        return min(max(schedule.epoch(now), newest - 2), newest - 1)


class KeyFolder(KeyFiles):
    """Reads and writes one folder. Every method raises `ConfigError` where the folder cannot be used."""

    def look(self) -> Contents:
        """Return what is there; nothing at all where there is no folder."""
        keys: dict[KeyName, Stamp] = {}
        epochs: dict[int, int] = {}
        leftovers: dict[Path, float] = {}
        for path, status in self._files():
            if (name := KeyName.of(path.name)) is not None and name.type in KEY_TYPES:
                keys[name] = Stamp.of(status)
            elif found := _EPOCH.fullmatch(path.name):
                period, epoch = int(found[1]), int(found[2])
                epochs[period] = max(epoch, epochs.get(period, 0))
            elif _LEFTOVER.fullmatch(path.name):
                leftovers[path] = status.st_mtime
        return Contents(keys, epochs, leftovers)

    def ensure(self) -> None:
        """Make the folder where it is missing, for its owner alone."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be made: {error.strerror}.") from None

    def add(self, name: KeyName, content: bytes) -> bool:
        """Make the file of a key, unless there is one: then False, and that one counts."""
        try:
            return create_secret(self.path / name.file, content)
        except OSError as error:
            raise self._unwritable(error) from None

    def replace(self, name: KeyName, content: bytes) -> None:
        """Put `content` in the place of a key, and destroy that."""
        path = self.path / name.file
        doomed = path.with_name(f".{path.name}.{secrets.token_hex(8)}.replaced")
        try:
            os.link(path, doomed)
            write_secret(path, content)
            destroy_secret(doomed)
        except OSError as error:
            raise self._unwritable(error) from None

    def destroy(self, name: KeyName) -> bool:
        """Destroy a key as well as a program can; False where another was first."""
        try:
            return destroy_secret(self.path / name.file)
        except OSError as error:
            raise self._unwritable(error) from None

    def record(self, period: int, epoch: int) -> None:
        """Have it on the disk that `epoch` has begun."""
        try:
            os.close(os.open(self.path / f"epoch.{period}.{epoch}", os.O_WRONLY | os.O_CREAT, 0o600))
            sync_folder(self.path)
            for path in self.path.glob(f"epoch.{period}.*"):
                found = _EPOCH.fullmatch(path.name)
                if found and int(found[2]) < epoch:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None

    def sweep(self, contents: Contents, now: float) -> None:
        """Destroy what a process has left that was killed while it wrote or destroyed a key."""
        try:
            for path, modified in contents.leftovers.items():
                if modified < now - LEFTOVER_SECONDS:
                    destroy_secret(path)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(f"{self.path} cannot be written to: {error.strerror}.")
