"""The key files of an issuer: what they are called, and reading them.

    <folder>/<type>.<period>.<epoch>.key    a private key, 0600; it issues from period x epoch (UNIX time) on

Issuers make, replace and destroy them (`issuer.key_folder`); a gateway of the same operator only reads
them, to verify tokens that nobody else can verify.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tacita.errors import ConfigError
from tacita.service.keyfiles import read_secret

__all__ = ["NUMBER", "KeyFiles", "KeyName", "Stamp"]

NUMBER = r"(0|[1-9][0-9]{0,11})"
"""How a period or an epoch is written in the name of a file: in one way only."""

_KEY = re.compile(rf"([a-z0-9]+(?:-[a-z0-9]+)*)\.{NUMBER}\.{NUMBER}\.key")


@dataclass(frozen=True, slots=True, order=True)
class KeyName:
    """Which key: of the epoch `epoch` of `period` seconds, for the token type that is called `type`."""

    epoch: int
    type: str
    period: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.type}.{self.period}.{self.epoch}.key"

    @classmethod
    def of(cls, file: str) -> Self | None:
        """Return which key has a file of this name; None where it is no key's."""
        found = _KEY.fullmatch(file)
        return cls(int(found[3]), found[1], int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file is replaced."""

    inode: int
    modified: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the stamp of a file with this status."""
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


class KeyFiles:
    """Reads one folder. Every method raises `ConfigError` where the folder cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keys(self) -> dict[KeyName, Stamp]:
        """Return the keys that are there; none where there is no folder."""
        named = ((KeyName.of(path.name), status) for path, status in self._files())
        return {name: Stamp.of(status) for name, status in named if name is not None}

    def read(self, name: KeyName) -> bytes:
        """Return the content of a key file. It must be readable by its owner alone."""
        return read_secret(self.path / name.file, "a key of the issuer")

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            for path in self.path.iterdir():
                with suppress(FileNotFoundError):  # gone since it was listed
                    yield path, path.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror}.") from None
