"""The quota database: what each account was charged in the present period, in SQLite.

Two tables. `charged` holds one tally for each account and period; `answered` holds one row
for each request that was paid for, so that the same request is not paid for twice. Accounts
and requests stand in it as keyed hashes. `about` remembers the newest period ever seen: on a
clock that was set back the ledger refuses, since it has dropped what it would need to know. It
also tells whether the hashes were made with the key that is used now.

WAL with `synchronous = FULL`: what COMMIT has returned for survives the power cord. A refund
takes back a charge only if nobody else was granted the same request meanwhile (`repeats` is 0).

An account that is not counted by period stands under the moment of its end in place of a period's
start. That lies ahead, so such rows are dropped when it is over and not before.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from issuer.errors import ClockSetBack, TooManyRepeats
from issuer.period import Period
from issuer.quota.claims import MAX_REPEATS, Claim
from issuer.quota.tally import Tally
from tacita.errors import ConfigError

__all__ = ["Ledger"]

# One script for each version of the schema, which makes it of the one before.
_MIGRATIONS = (
    """
CREATE TABLE charged (
  period INTEGER NOT NULL, account BLOB NOT NULL, tokens INTEGER NOT NULL CHECK (tokens >= 0),
  PRIMARY KEY (period, account)
) WITHOUT ROWID;
CREATE TABLE answered (
  period INTEGER NOT NULL, account BLOB NOT NULL, request BLOB NOT NULL,
  tokens INTEGER NOT NULL CHECK (tokens > 0), repeats INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (period, account, request)
) WITHOUT ROWID;
CREATE TABLE about (newest INTEGER NOT NULL, key_check BLOB NOT NULL);
    """,
    """
ALTER TABLE charged ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE charged ADD COLUMN day_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE charged ADD COLUMN burst_used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE charged ADD COLUMN burst_at INTEGER NOT NULL DEFAULT 0;
    """,
)
_SCHEMA_VERSION = len(_MIGRATIONS)


class Ledger:
    """One connection to the database at `path`; to be used by one thread at a time."""

    def __init__(self, path: Path, key_check: bytes) -> None:
        """Open the database, or create it with mode 0600; `key_check` is made of the key of its hashes.

        Raises:
            ConfigError: it cannot be opened, or was written by another version or with another key.
        """
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"The quota database {path} cannot be opened ({type(error).__name__})."
            ) from None
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                self._db.execute(f"PRAGMA {pragma}").fetchone()
            self._migrate(path, key_check)
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigError(
                f"{path} is not a usable quota database ({type(error).__name__}); move it away or restore it."
            ) from None
        except ConfigError:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything that happens inside, durably, or nothing of it. Raises `sqlite3.Error`."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def charge(self, claim: Claim, *, present: Period | None = None) -> bool:
        """Charge `claim` if its tier allows it; False: the same request has paid already.

        `present` is the period that it is, where that is not the one of `claim`.
        Charges nothing when it raises, as `Tally.charged`, or `TooManyRepeats` or `ClockSetBack`.
        """
        self._notice(present or claim.period)
        key = (claim.period.start, claim.account, claim.request)
        paid = self._db.execute(
            "SELECT repeats FROM answered WHERE period = ? AND account = ? AND request = ?", key
        ).fetchone()
        if paid is not None:
            if paid[0] >= MAX_REPEATS:
                raise TooManyRepeats
            self._db.execute(
                "UPDATE answered SET repeats = repeats + 1 WHERE period = ? AND account = ? AND request = ?",
                key,
            )
            return False
        self._keep(claim, self.tally(claim.period, claim.account).charged(claim))
        self._db.execute(
            "INSERT INTO answered (period, account, request, tokens) VALUES (?, ?, ?, ?)",
            (*key, claim.tokens),
        )
        return True

    def refund(self, claim: Claim, now: int) -> bool:
        """Take back the charge of `claim`, of which no signature has left; False: it has to stand."""
        gone = self._db.execute(
            "DELETE FROM answered WHERE period = ? AND account = ? AND request = ? AND repeats = 0",
            (claim.period.start, claim.account, claim.request),
        ).rowcount
        tally = self.tally(claim.period, claim.account)
        # When the period is over, its tallies are dropped by themselves, and one may be gone already.
        if gone and tally.tokens >= claim.tokens:
            self._keep(claim, tally.refunded(claim, now))
        return bool(gone)

    def tally(self, period: Period, account: bytes) -> Tally:
        """Return what `account` was charged in `period`."""
        row = self._db.execute(
            "SELECT tokens, day, day_tokens, burst_used, burst_at FROM charged "
            "WHERE period = ? AND account = ?",
            (period.start, account),
        ).fetchone()
        return Tally(*row) if row else Tally()

    def forget_before(self, period: Period, *, limit: int) -> int:
        """Delete up to `limit` rows of either table that are older than `period`; return how many went."""
        self._notice(period)
        gone = self._db.execute(
            "DELETE FROM answered WHERE (period, account, request) IN "
            "(SELECT period, account, request FROM answered WHERE period < ? LIMIT ?)",
            (period.start, limit),
        ).rowcount
        gone += self._db.execute(
            "DELETE FROM charged WHERE (period, account) IN "
            "(SELECT period, account FROM charged WHERE period < ? LIMIT ?)",
            (period.start, limit),
        ).rowcount
        return gone

    def truncate_wal(self) -> None:
        """Move the write-ahead log into the database: deleted rows would otherwise live on in it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _keep(self, claim: Claim, tally: Tally) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO charged "
            "(tokens, day, day_tokens, burst_used, burst_at, period, account) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*astuple(tally), claim.period.start, claim.account),
        )

    def _notice(self, period: Period) -> None:
        (newest,) = self._db.execute("SELECT newest FROM about").fetchone()
        if period.start < newest:
            raise ClockSetBack
        if period.start > newest:
            self._db.execute("UPDATE about SET newest = ?", (period.start,))

    def _migrate(self, path: Path, key_check: bytes) -> None:
        with self.transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise ConfigError(
                    f"{path} has schema version {version} and this issuer writes {_SCHEMA_VERSION}; "
                    "use the release that wrote it."
                )
            for script in _MIGRATIONS[version:]:
                for statement in filter(str.strip, script.split(";")):
                    self._db.execute(statement)
            if version == 0:
                self._db.execute("INSERT INTO about VALUES (0, ?)", (key_check,))
            self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            (known,) = self._db.execute("SELECT key_check FROM about").fetchone()
            if known != key_check:
                # Under another key every account would look new, and get its quota again.
                raise ConfigError(f"{path} was written with another hash key; restore that key's file.")
