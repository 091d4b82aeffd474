"""One SQLite database of the gateway's, as one thread of one process sees it: opened, checked, opened again.

Durability is WAL with synchronous=FULL: COMMIT returns after the log was flushed.
Several processes may share the file; every transaction takes the write lock first.
It must be on a local disk, as WAL needs shared memory.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tacita.errors import ConfigError
from tacita.privacypass.spent import StoreUnavailable

__all__ = ["Database", "Kind"]

_BUSY_SECONDS = 2.0
"""How long to wait for another process's transaction; those take milliseconds."""

_SENTENCES = {
    sqlite3.SQLITE_BUSY: "The {name} is locked by another process.",
    sqlite3.SQLITE_FULL: "The disk of the {name} is full; make room.",
    sqlite3.SQLITE_CORRUPT: "The {name} is damaged; restore it and {remedy}.",
    sqlite3.SQLITE_NOTADB: "The {name} is damaged; restore it and {remedy}.",
    sqlite3.SQLITE_READONLY: "The {name} cannot be written; check its owner and file system.",
}
_OTHER_SENTENCE = "The {name} cannot be used; check its disk."
_TRANSIENT = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a database is for: its name in sentences, the statements that make it, and its mark.

    `remedy` is what to do about one that has lost something.
    """

    name: str
    remedy: str
    application_id: int
    version: int
    schema: Sequence[str]


class Database:
    """One open file of `kind`. All methods are called from one thread and block."""

    def __init__(self, path: Path, kind: Kind) -> None:
        """Open the file at `path`, or create it with mode 0600.

        Raises:
            ConfigError: it cannot be created, is not ours, or has another version.
            StoreUnavailable: another process kept it locked.
        """
        self._path = path
        self._kind = kind
        self._connection: sqlite3.Connection | None = None
        try:
            _create(path)
            if not path.is_file():
                raise ConfigError(f"The {kind.name} {path} is not a regular file; name another one.")
            path.chmod(0o600)
            self._identity = _identity(path)
        except OSError as error:
            raise ConfigError(f"The {kind.name} {path} cannot be opened: {error.strerror}.") from None
        try:
            self._connection = self._connect()
        except sqlite3.Error as error:
            if _code(error) in _TRANSIENT:
                raise self._unavailable(error) from None
            raise ConfigError(
                f"The {kind.name} {path} is not a usable SQLite database; name another file, or restore it."
            ) from None

    def close(self) -> None:
        """Let go of the file; calling it again does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction that is on disk when this is left, or undone.

        Raises:
            StoreUnavailable: the file cannot be used at the moment; the next call tries again.
        """
        self._require_same_file()
        try:
            if self._connection is None:
                self._connection = self._connect()
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon(_code(error) in _TRANSIENT)
            raise self._unavailable(error) from None
        except ConfigError as error:
            self.close()
            raise StoreUnavailable(str(error)) from None
        except BaseException:
            self._abandon(keep=False)
            raise

    def _abandon(self, keep: bool) -> None:
        """Undo what is half done; a connection that met more than a busy or full disk is opened anew."""
        if self._connection is not None and keep:
            with suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                return
        with suppress(sqlite3.Error):
            self.close()

    def _require_same_file(self) -> None:
        # A file that was removed still takes writes, and a new one would have forgotten everything.
        try:
            same = _identity(self._path) == self._identity
        except OSError:
            same = False
        if not same:
            self.close()
            raise StoreUnavailable(
                f"The {self._kind.name} was removed or replaced; "
                f"put it back, or {self._kind.remedy} and restart."
            )

    def _connect(self) -> sqlite3.Connection:
        location = f"file:{quote(str(self._path.absolute()))}?mode=rw"
        connection = sqlite3.connect(location, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            _switch_to_wal(connection, self._kind.name)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA trusted_schema = OFF")
            # Dropped pages need no overwriting: nothing here says anything about a person.
            connection.execute("PRAGMA secure_delete = FAST")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            self._prepare_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare_schema(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            application, version, tables = (
                connection.execute(question).fetchone()[0]
                for question in (
                    "PRAGMA application_id",
                    "PRAGMA user_version",
                    "SELECT count(*) FROM sqlite_schema",
                )
            )
            if (application, version, tables) == (0, 0, 0):
                for statement in self._kind.schema:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {self._kind.application_id:d}")
                connection.execute(f"PRAGMA user_version = {self._kind.version:d}")
            elif application != self._kind.application_id:
                raise ConfigError(f"The file {self._path} belongs to another application; name another file.")
            elif version != self._kind.version:
                raise ConfigError(
                    f"The {self._kind.name} {self._path} has schema version {version}, "
                    f"but this release reads version {self._kind.version}; use the release that wrote it."
                )

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        sentence = _SENTENCES.get(_code(error), _OTHER_SENTENCE)
        return StoreUnavailable(sentence.format(name=self._kind.name, remedy=self._kind.remedy))


def _create(path: Path) -> None:
    """Make an empty file that only its owner reads; SQLite gives its log the same mode."""
    # An existing file is not opened here: closing it would drop the locks that SQLite holds on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _switch_to_wal(connection: sqlite3.Connection, name: str) -> None:
    # SQLite does not wait for a lock here: processes that start together must take turns by themselves.
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise ConfigError(f"The {name} is on a file system without shared memory; use a local disk.")


def _code(error: sqlite3.Error) -> int:
    # The low byte is the class of the error; errors of the Python module itself have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
