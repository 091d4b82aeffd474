"""The SQLite file that holds spent tokens, as one thread of one process sees it.

Each issuer key has a table of its own, because a dead key goes whole: DROP TABLE puts
the pages on the free list, where the next key's table finds them, and logs a thousandth
of what a DELETE of every row would. The file so stays as large as the most that
was ever alive at once. Tables are named after a counter; `partition` maps key ids to it.
How the file is opened and kept is `gateway.stores.sqlite_database`.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from gateway.stores.calls import DEAD, Call, transition
from gateway.stores.sqlite_database import Database, Kind

__all__ = ["SpentFile"]

_KIND = Kind(
    "spent-token file",
    "turn the issuer key over",
    application_id=0x54434954,
    version=1,
    schema=(
        "CREATE TABLE partition"
        " (number INTEGER PRIMARY KEY, key_id BLOB NOT NULL UNIQUE, expires INTEGER NOT NULL)",
        "CREATE TABLE dropped (until INTEGER NOT NULL)",
        "INSERT INTO dropped VALUES (0)",
    ),
)


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
        self._database = Database(path, _KIND)

    def transact(self, calls: Sequence[Call]) -> str:
        """Make all `calls` in one transaction; return one answer character each, once they are on disk."""
        answers: list[str] = []
        with self._database.transaction() as connection:
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
        with self._database.transaction() as connection:
            dead = connection.execute("SELECT number FROM partition WHERE expires <= ?", (now,)).fetchall()
            for (number,) in dead:
                connection.execute(f"DROP TABLE {_table(number)}")
            if dead:
                connection.execute("DELETE FROM partition WHERE expires <= ?", (now,))
                connection.execute("UPDATE dropped SET until = max(until, ?)", (now,))
        return len(dead)

    def check(self) -> None:
        """Take the write lock once and read a row."""
        with self._database.transaction() as connection:
            connection.execute("SELECT until FROM dropped").fetchone()

    def close(self) -> None:
        """Let go of the file; calling it again does nothing."""
        self._database.close()


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
