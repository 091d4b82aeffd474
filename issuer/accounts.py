"""The accounts file: who may have tokens. `tacita-issuer account` writes it, the API-key attester reads it.

    {"version": 1, "accounts": [{"name": …, "id": …, "tier": …, "key_sha256": …, "created": …}]}

`id` is random and never changes; the quota is counted by it, so that a name can be
anything and stays in this file. The file has mode 0600 and is replaced whole.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tacita.errors import ConfigError
from tacita.service.keyfiles import read_secret, write_secret

__all__ = ["AccountRecord", "AccountsFile"]

VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


class AccountRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account. `key_sha256` is hexadecimal, `created` a date (YYYY-MM-DD, UTC)."""

    name: str
    id: str
    tier: str
    key_sha256: str
    created: str

    def __post_init__(self) -> None:
        """Refuse a digest that is not 32 bytes in hexadecimal. Raises `ValueError`."""
        if len(bytes.fromhex(self.key_sha256)) != 32:
            raise ValueError("key_sha256 is 64 hexadecimal digits")

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the account's API key."""
        return bytes.fromhex(self.key_sha256)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    accounts: list[AccountRecord]


class AccountsFile:
    """The accounts that stand in the file `path`; a file that is not there yet has none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def version(self) -> object:
        """Return a value that changes whenever the file does. Raises `ConfigError`."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return "absent"
        except OSError as error:
            raise ConfigError(f"{self.path} (the accounts file) cannot be read: {error.strerror}.") from None
        return (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)

    def read(self) -> list[AccountRecord]:
        """Return the accounts in the order in which they were added.

        Raises:
            ConfigError: the file cannot be read, others can read it too, or it is not in its format.
        """
        if not self.path.exists():
            return []
        content = read_secret(self.path, "the accounts file")
        try:
            document = msgspec.json.decode(content, type=_Document)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ConfigError(f"{self.path} is not an accounts file; restore it from a copy.") from None
        if document.version != VERSION:
            raise ConfigError(
                f"{self.path} has version {document.version} and this issuer reads {VERSION}; "
                "use the release that wrote it."
            )
        if len({record.name for record in document.accounts}) != len(document.accounts):
            raise ConfigError(f"{self.path} has two accounts of one name; remove one of them.")
        return document.accounts

    def add(
        self,
        name: str,
        tier: str,
        digest: bytes,
        *,
        created: str,
        random: Callable[[int], bytes] = os.urandom,
    ) -> AccountRecord:
        """Add the account `name` whose API key has the SHA-256 `digest`, and return it.

        Raises:
            ConfigError: the name is taken or not one, or the file cannot be used.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError("An account's name is 1 to 64 letters, digits and . _ @ + -; choose another.")
        record = AccountRecord(name, random(16).hex(), tier, digest.hex(), created)
        with self._locked():
            records = self.read()
            if any(name == other.name for other in records):
                raise ConfigError("There is an account of that name already; choose another or remove it.")
            self._write([*records, record])
        return record

    def remove(self, name: str) -> None:
        """Remove the account `name`. Raises `ConfigError` where there is none."""
        with self._locked():
            records = self.read()
            kept = [record for record in records if record.name != name]
            if len(kept) == len(records):
                raise ConfigError("There is no account of that name; `account list` shows them all.")
            self._write(kept)

    def _write(self, records: list[AccountRecord]) -> None:
        document = msgspec.json.encode(_Document(VERSION, records))
        write_secret(self.path, msgspec.json.format(document, indent=1) + b"\n")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep two operators' commands from overwriting each other."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{self.path.parent} cannot be written to: {error.strerror}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
