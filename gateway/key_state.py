"""The gateway's state file: the chain of the epoch that it has reached, and what is kept for the grace.

    {"version": 1, "period_seconds": 86400, "epoch": 20781, "chain": "…",
     "retired": {"until": 1795479000, "keys": [{"id": 6, "kem": "x25519", "private_key": "…"}]}}

A provisioning seed, which one instance exports for another, has the same form. The file is
mode 0600 and replaced whole; what it held before is overwritten, as well as a program can. All
changes are made under a lock on its folder, so that a command and a running gateway never undo
each other's.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from gateway.ratchet import MAX_EPOCH, SUITES, Link, RatchetKey
from tacita.crypto.hpke import Kem, PrivateKey
from tacita.errors import ConfigError, TacitaError
from tacita.service.keyfiles import create_secret, destroy_secret, read_secret, write_secret
from tacita.wire import base64url

__all__ = ["KEMS", "VERSION", "KeyState", "Retired", "StateFile", "seed_leftovers"]

VERSION = 1

KEMS: Mapping[str, Kem] = {"x25519": Kem.X25519, "p256": Kem.P256, "xwing": Kem.XWING}
"""By their names in configuration and state file."""

_NAMES = {kem: name for name, kem in KEMS.items()}
_WHAT = "the key state of the gateway"


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=255)]
    kem: str
    private_key: str


class _Retired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    until: Annotated[int, msgspec.Meta(ge=0, le=2**60)]
    keys: Annotated[tuple[_Key, ...], msgspec.Meta(max_length=SUITES)]


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    period_seconds: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    epoch: Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH)]
    chain: str
    retired: _Retired | None = None


class _Version(msgspec.Struct, frozen=True):
    version: int


@dataclass(frozen=True, slots=True)
class Retired:
    """The private keys of the epoch before, taken until the UNIX time `until`."""

    until: int
    keys: tuple[RatchetKey, ...]


@dataclass(frozen=True, slots=True)
class KeyState:
    """What the file says: `link` is that of the epoch that has been reached."""

    period: int
    link: Link
    retired: Retired | None = None

    def encode(self) -> bytes:
        """Return the content of the file."""
        retired = None
        if self.retired is not None:
            keys = [
                _Key(key.key_id, _NAMES[key.private_key.kem], base64url.encode(key.private_key.to_bytes()))
                for key in self.retired.keys
            ]
            retired = _Retired(self.retired.until, tuple(keys))
        state = _State(VERSION, self.period, self.link.epoch, base64url.encode(self.link.chain), retired)
        return msgspec.json.encode(state) + b"\n"

    @classmethod
    def decode(cls, content: bytes, name: object) -> "KeyState":
        """Return what `content` says; `name` stands for it in errors.

        Raises:
            ConfigError: it is of a later version, or no key state.
        """
        try:
            version = msgspec.json.decode(content, type=_Version).version
            # Every earlier form would be read here; there is none yet.
            if version != VERSION:
                raise ConfigError(
                    f"{name} is key state of version {version} and this gateway knows version {VERSION}; "
                    "run the release that wrote it, or begin anew with another file."
                )
            return cls._of(msgspec.json.decode(content, type=_State))
        except ConfigError:
            raise
        except (msgspec.DecodeError, TacitaError, ValueError, KeyError, RecursionError):
            raise ConfigError(
                f"{name} is not key state of a gateway; restore it, or remove it and import that of another "
                "instance."
            ) from None

    @classmethod
    def _of(cls, state: _State) -> "KeyState":
        retired = None
        if state.retired is not None:
            keys = [
                RatchetKey(key.id, PrivateKey.from_bytes(KEMS[key.kem], base64url.decode(key.private_key)))
                for key in state.retired.keys
            ]
            if len({key.key_id for key in keys}) != len(keys):
                raise ValueError("two retired keys have the same key id")
            retired = Retired(state.retired.until, tuple(keys))
        return cls(state.period_seconds, Link(state.epoch, base64url.decode(state.chain)), retired)


class StateFile:
    """The file at `path`. Every method raises `ConfigError` where it, or its folder, cannot be used."""

    def __init__(self, path: Path) -> None:
        # The file that links lead to: what is said here of names holds for that alone.
        self.path = Path(os.path.realpath(path))

    def read(self) -> KeyState | None:
        """Return what it holds; None where there is no file."""
        try:
            if not self.path.exists():
                return None
        except OSError as error:
            raise ConfigError(f"{self.path} ({_WHAT}) cannot be read: {error.strerror}.") from None
        return KeyState.decode(read_secret(self.path, _WHAT), self.path)

    def look(self) -> tuple[KeyState | None, list[Path]]:
        """Return what it holds and its leftovers, while nobody is changing it. Makes and changes nothing."""
        try:
            folder = self._open_folder()
        except FileNotFoundError:
            return None, []
        with self._held(folder, fcntl.LOCK_SH):
            return self.read(), self.leftovers()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one to change the file, of all processes that ask; waits."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = self._open_folder()
        except OSError as error:
            raise self._unusable(error) from None
        with self._held(folder, fcntl.LOCK_EX):
            yield

    def _open_folder(self) -> int:
        try:
            return os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def _held(self, folder: int, operation: int) -> Iterator[None]:
        try:
            fcntl.flock(folder, operation)
            yield
        except OSError as error:
            raise self._unusable(error) from None
        finally:
            os.close(folder)

    def write(self, state: KeyState) -> None:
        """Have `state` on the disk in the place of what is there, and only then overwrite that.

        For who holds the lock: whatever an earlier process has left half done is overwritten, too.
        """
        content = state.encode()
        if self.path.exists():
            doomed = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}.replaced")
            os.link(self.path, doomed)
            write_secret(self.path, content)
        elif not create_secret(self.path, content):
            raise ConfigError(f"{self.path} ({_WHAT}) was made by another program; look who uses it.")
        self.sweep()

    def leftovers(self) -> list[Path]:
        """Return files with earlier state: one that is being overwritten, or was left by a crash."""
        return _beside(self.path, r"(\..+)?")

    def sweep(self) -> None:
        """Overwrite and remove the leftovers. For who holds the lock."""
        for path in self.leftovers():
            destroy_secret(path)

    def _unusable(self, error: OSError) -> ConfigError:
        return ConfigError(f"{self.path} ({_WHAT}) cannot be changed: {error.strerror}.")


def seed_leftovers(seed: Path) -> list[Path]:
    """Return what a crash has left of the file `seed` in its destruction."""
    try:
        # Only this: the same folder may be where an instance is exporting to.
        return _beside(seed, r"(\.dead\.[0-9a-f]{16})*\.dead")
    except OSError:
        return []  # Where we may not look we have destroyed nothing.


def _beside(path: Path, suffix: str) -> list[Path]:
    leftover = re.compile(rf"\.+{re.escape(path.name)}\.[0-9a-f]{{16}}{suffix}")
    return sorted(one for one in path.parent.iterdir() if leftover.fullmatch(one.name))
