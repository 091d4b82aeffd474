"""The wallet: tokens that were issued, verified, and not shown to anybody yet.

A SQLite file with mode 0600. Taking a token deletes it durably before the caller has it,
so that no crash can make one be shown twice for two different requests; a token whose
request then fails is lost, which is the safe side.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from tacita.client.errors import WalletEmpty, WalletUnavailable
from tacita.errors import ConfigError
from tacita.privacypass.token import Token

__all__ = ["Wallet"]

_VERSION = 1
_BUSY_SECONDS = 10.0

# A rollback journal, gone after each transaction: a write-ahead log would go on holding what was
# spent. EXTRA, since with a journal the commit is its removal, and FULL does not sync that. Deleted
# tokens are overwritten: a stolen wallet must not show what was spent.
_PRAGMAS = ("journal_mode = DELETE", "synchronous = EXTRA", "secure_delete = ON")


class Wallet:
    """Keeps tokens between issuance and redemption. Several processes may share one file."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the wallet at `path`, or make an empty one.

        Raises:
            ConfigError: the file is readable by others, or is not a wallet of this version.
        """
        try:
            _require_private(path)
            database = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
            try:
                for pragma in _PRAGMAS:
                    database.execute(f"PRAGMA {pragma}")
                with _transaction(database):
                    _prepare(database, path)
            except BaseException:
                database.close()
                raise
        except (OSError, sqlite3.Error):
            raise ConfigError(
                f"The wallet {path} cannot be opened; is it a wallet, and its folder writable?"
            ) from None
        return cls(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def add(self, tokens: Iterable[Token]) -> None:
        """Keep `tokens`, which the caller has verified: all, or on an error none.

        Raises:
            WalletUnavailable: the file cannot be written.
        """
        rows = [(token.encode(), token.challenge_digest) for token in tokens]
        with _reported(), _transaction(self._database):
            self._database.executemany("INSERT OR IGNORE INTO tokens VALUES (?, ?)", rows)

    def take(self, challenge_digest: bytes, key_ids: Collection[bytes]) -> Token:
        """Remove and return one token for this challenge under one of these issuer keys, a random one.

        Tokens of keys that are no longer published are dropped on the way: they would single their
        holder out.

        Raises:
            WalletEmpty: there is none.
            WalletUnavailable: the file cannot be written; no token has left it.
        """
        while True:
            with _reported(), _transaction(self._database):
                row = self._database.execute(
                    "DELETE FROM tokens WHERE token = (SELECT token FROM tokens WHERE challenge = ? "
                    "ORDER BY random() LIMIT 1) RETURNING token",
                    (challenge_digest,),
                ).fetchone()
            if row is None:
                raise WalletEmpty("The wallet has no token for this gateway; fetch some.")
            token = Token.decode(row[0])
            if token.token_key_id in key_ids:
                return token

    def count(self, challenge_digest: bytes, key_ids: Collection[bytes]) -> int:
        """Return how many tokens `take` would find. Raises `WalletUnavailable`."""
        with _reported():
            rows = self._database.execute("SELECT token FROM tokens WHERE challenge = ?", (challenge_digest,))
            return sum(Token.decode(token).token_key_id in key_ids for (token,) in rows)


def _require_private(path: Path) -> None:
    try:
        # Made by us with its mode from the first moment on; SQLite gives its journal the same.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # Not opened here: to close a descriptor drops the locks that SQLite has on the file.
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"The wallet {path} is readable by others; run chmod 600 {path}.") from None


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == _VERSION:
        return
    if version != 0 or database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise ConfigError(f"{path} is not a wallet of version {_VERSION}, which this program reads.")
    database.execute(
        "CREATE TABLE tokens (token BLOB PRIMARY KEY, challenge BLOB NOT NULL) STRICT, WITHOUT ROWID"
    )
    database.execute(f"PRAGMA user_version = {_VERSION}")


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Run the block as one transaction, which is on the disk when this returns."""
    with closing(database.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            yield
            cursor.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                cursor.execute("ROLLBACK")
            raise


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error:
        raise WalletUnavailable(
            "The wallet cannot be read or written; is the disk full, or another program holding it?"
        ) from None
