"""The SQLite file of the replay cache, as one thread of one process sees it.

A row for each message, and for each relay how many messages end in which minute: the sum of these
is what it has remembered. What has expired is deleted in slices, so that no call waits long.
How the file is opened and kept is `gateway.stores.sqlite_database`.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from gateway.stores.replay_calls import FULL, LATE, NEW, SEEN, Remember
from gateway.stores.sqlite_database import Database, Kind

__all__ = ["SLICE", "ReplayFile"]

SLICE = 5_000
"""Messages that are deleted in one transaction: some ten milliseconds."""

_KIND = Kind(
    "replay cache",
    "replace the gateway's keys",
    application_id=0x54435250,
    version=1,
    schema=(
        "CREATE TABLE seen (message BLOB PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX seen_by_end ON seen (expires)",
        "CREATE TABLE held (relay BLOB, bucket INTEGER, messages INTEGER NOT NULL,"
        " PRIMARY KEY (relay, bucket)) WITHOUT ROWID",
        "CREATE TABLE dropped (until INTEGER NOT NULL)",
        "INSERT INTO dropped VALUES (0)",
    ),
)


class ReplayFile:
    """One open file. All methods are called from one thread and block.

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

    def transact(self, calls: Sequence[Remember]) -> str:
        """Make all `calls` in one transaction; return one answer character each, once they are on disk."""
        with self._database.transaction() as connection:
            (until,) = connection.execute("SELECT until FROM dropped").fetchone()
            held: dict[bytes, int] = {}
            return "".join([_answer(connection, call, until, held) for call in calls])

    def drop_expired(self, now: int) -> int:
        """Forget at most `SLICE` messages that expired at or before `now`; return how many."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE dropped SET until = max(until, ?)", (now,))
            connection.execute("DELETE FROM held WHERE bucket <= ?", (now,))
            return connection.execute(
                "DELETE FROM seen WHERE message IN (SELECT message FROM seen WHERE expires <= ? LIMIT ?)",
                (now, SLICE),
            ).rowcount

    def check(self) -> None:
        """Take the write lock once and read a row."""
        with self._database.transaction() as connection:
            connection.execute("SELECT until FROM dropped").fetchone()

    def close(self) -> None:
        """Let go of the file; calling it again does nothing."""
        self._database.close()


def _answer(connection: sqlite3.Connection, call: Remember, until: int, held: dict[bytes, int]) -> str:
    """Make one call; `held` has the counts of the relays that this transaction has met."""
    if call.expires <= until:
        return LATE
    if connection.execute("SELECT 1 FROM seen WHERE message = ?", (call.message,)).fetchone():
        return SEEN
    if call.relay not in held:
        (held[call.relay],) = connection.execute(
            "SELECT coalesce(sum(messages), 0) FROM held WHERE relay = ?", (call.relay,)
        ).fetchone()
    if held[call.relay] >= call.room:
        return FULL
    held[call.relay] += 1
    connection.execute("INSERT INTO seen VALUES (?, ?)", (call.message, call.expires))
    connection.execute(
        "INSERT INTO held VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET messages = messages + 1",
        (call.relay, call.bucket),
    )
    return NEW
