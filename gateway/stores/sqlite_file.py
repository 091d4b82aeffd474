"""The SQLite file that holds spent tokens, as one thread of one process sees it.

Each issuer key has a table of its own, because a dead key goes whole: DROP TABLE puts
the pages on the free list, where the next key's table finds them, and logs a thousandth
of what a DELETE of every row would. The file so stays as large as the most that
was ever alive at once. Tables are named after a counter; `partition` maps key ids to it.

Durability is WAL with synchronous=FULL: COMMIT returns after the log was flushed.
Several processes may share the file; every transaction takes the write lock first.
It must be on a local disk, as WAL needs shared memory.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from gateway.stores.calls import DEAD, Call, transition
from tacita.errors import ConfigError
from tacita.privacypass.spent import StoreUnavailable

__all__ = ["SpentFile"]

_APPLICATION_ID = 0x54434954
_SCHEMA_VERSION = 1
_BUSY_SECONDS = 2.0
"""How long to wait for another process's transaction; those take milliseconds."""

_SCHEMA = (
    "CREATE TABLE partition"
    " (number INTEGER PRIMARY KEY, key_id BLOB NOT NULL UNIQUE, expires INTEGER NOT NULL)",
    "CREATE TABLE dropped (until INTEGER NOT NULL)",
    "INSERT INTO dropped VALUES (0)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
)

_SENTENCES = {
    sqlite3.SQLITE_BUSY: "The spent-token file is locked by another process.",
    sqlite3.SQLITE_FULL: "The disk of the spent-token file is full; make room.",
    sqlite3.SQLITE_CORRUPT: "The spent-token file is damaged; restore it and turn the issuer key over.",
    sqlite3.SQLITE_NOTADB: "The spent-token file is damaged; restore it and turn the issuer key over.",
    sqlite3.SQLITE_READONLY: "The spent-token file cannot be written; check its owner and file system.",
}
_OTHER_SENTENCE = "The spent-token file cannot be used; check its disk."
_TRANSIENT = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)


class SpentFile:
    """One open spent-token file. All methods are called from one thread and block.

    Each method raises `StoreUnavailable` when the file cannot be used at the moment;
    the next call tries again.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, or create it with mode 0600.

        Raises:
            ConfigError: it cannot be created, is not ours, or has another version.
            StoreUnavailable: another process kept it locked.
        """
        self._path = path
        self._connection: sqlite3.Connection | None = None
        try:
            _create(path)
            if not path.is_file():
                raise ConfigError(f"The spent-token file {path} is not a regular file; name another one.")
            path.chmod(0o600)
            self._identity = _identity(path)
        except OSError as error:
            raise ConfigError(f"The spent-token file {path} cannot be opened: {error.strerror}.") from None
        try:
            self._connection = self._connect()
        except sqlite3.Error as error:
            if _code(error) in _TRANSIENT:
                raise _unavailable(error) from None
            raise ConfigError(
                f"The spent-token file {path} is not a usable SQLite database; "
                "name another file, or restore it."
            ) from None

    def transact(self, calls: Sequence[Call]) -> str:
        """Make all `calls` in one transaction; return one answer character each, once they are on disk."""
        answers: list[str] = []
        with self._transaction() as connection:
            partitions = _Partitions(connection)
            for call in calls:
                table = partitions.table(call)
                if table is None:
                    answers.append(DEAD)
                    continue
                row = connection.execute(
                    f"SELECT entry FROM {table} WHERE nonce = ?",  # noqa: S608  (a name we counted)
                    (call.nonce,),
                ).fetchone()
                entry, answer = transition(call, row and row[0])
                if entry is not None:
                    connection.execute(
                        f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",  # noqa: S608
                        (call.nonce, entry),
                    )
                answers.append(answer)
        return "".join(answers)

    def drop_expired(self, now: int) -> int:
        """Drop the tables of keys that died at or before `now`, and let none of them come back."""
        with self._transaction() as connection:
            dead = connection.execute("SELECT number FROM partition WHERE expires <= ?", (now,)).fetchall()
            for (number,) in dead:
                connection.execute(f"DROP TABLE {_table(number)}")
            if dead:
                connection.execute("DELETE FROM partition WHERE expires <= ?", (now,))
                connection.execute("UPDATE dropped SET until = max(until, ?)", (now,))
        return len(dead)

    def check(self) -> None:
        """Take the write lock once and read a row."""
        with self._transaction() as connection:
            connection.execute("SELECT until FROM dropped").fetchone()

    def close(self) -> None:
        """Let go of the file; calling it again does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
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
            raise _unavailable(error) from None
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
                "The spent-token file was removed or replaced; "
                "put it back, or turn the issuer key over and restart."
            )

    def _connect(self) -> sqlite3.Connection:
        location = f"file:{quote(str(self._path.absolute()))}?mode=rw"
        connection = sqlite3.connect(location, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            _switch_to_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA trusted_schema = OFF")
            # Dropped pages need no overwriting: a nonce says nothing about who spent it.
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
                for statement in _SCHEMA:
                    connection.execute(statement)
            elif application != _APPLICATION_ID:
                raise ConfigError(f"The file {self._path} belongs to another application; name another file.")
            elif version != _SCHEMA_VERSION:
                raise ConfigError(
                    f"The spent-token file {self._path} has schema version {version}, "
                    f"but this release reads version {_SCHEMA_VERSION}; use the release that wrote it."
                )


class _Partitions:
    """The tables that one transaction has met. Not kept longer: another process may drop one in between."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, tuple[str, int]] = {}

    def table(self, call: Call) -> str | None:
        """Return the table of the issuer key of `call`, made if need be; None if the key has died."""
        known = self._known.get(call.token_key_id) or self._find(call)
        if known is None:
            return None
        table, expires = known
        if call.expires > expires:
            self._connection.execute(
                "UPDATE partition SET expires = ? WHERE key_id = ?", (call.expires, call.token_key_id)
            )
            known = (table, call.expires)
        self._known[call.token_key_id] = known
        return table

    def _find(self, call: Call) -> tuple[str, int] | None:
        row = self._connection.execute(
            "SELECT number, expires FROM partition WHERE key_id = ?", (call.token_key_id,)
        ).fetchone()
        if row is not None:
            return _table(row[0]), row[1]
        (until,) = self._connection.execute("SELECT until FROM dropped").fetchone()
        if call.expires <= until:
            return None
        created = self._connection.execute(
            "INSERT INTO partition (key_id, expires) VALUES (?, ?)", (call.token_key_id, call.expires)
        )
        table = _table(created.lastrowid or 0)
        self._connection.execute(
            f"CREATE TABLE {table} (nonce BLOB PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID"
        )
        return table, call.expires


def _table(number: int) -> str:
    return f"spent_{number:d}"


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


def _switch_to_wal(connection: sqlite3.Connection) -> None:
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
        raise ConfigError("The spent-token file is on a file system without shared memory; use a local disk.")


def _code(error: sqlite3.Error) -> int:
    # The low byte is the class of the error; errors of the Python module itself have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _unavailable(error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(_SENTENCES.get(_code(error), _OTHER_SENTENCE))
