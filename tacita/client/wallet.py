"""The wallet: tokens that were issued, verified, and not shown to anybody yet.

A SQLite file with mode 0600. Taking a token deletes it durably before the caller has it,
so that no crash can make one be shown twice for two different requests; a token whose
request then fails is lost, which is the safe side.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path
from typing import Self

from tacita.client.errors import WalletEmpty
from tacita.errors import ConfigError
from tacita.privacypass.token import Token

__all__ = ["Wallet"]

_VERSION = 1


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
            # Made by us with its mode from the first moment on; SQLite gives its side files the same.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            if path.stat().st_mode & 0o077:
                raise ConfigError(f"The wallet {path} is readable by others; run chmod 600 {path}.")
            database = sqlite3.connect(path, isolation_level=None, timeout=10)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            # Deleted tokens are overwritten: a stolen wallet must not show what was spent.
            database.execute("PRAGMA secure_delete = ON")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise ConfigError(
                    f"The wallet {path} is of version {version}; this program reads {_VERSION}."
                )
            database.execute(
                "CREATE TABLE IF NOT EXISTS tokens "
                "(token BLOB PRIMARY KEY, challenge BLOB NOT NULL) WITHOUT ROWID"
            )
            database.execute(f"PRAGMA user_version = {_VERSION}")
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
        """Keep `tokens`, which the caller has verified."""
        rows = [(token.encode(), token.challenge_digest) for token in tokens]
        with closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany("INSERT OR IGNORE INTO tokens VALUES (?, ?)", rows)
            cursor.execute("COMMIT")

    def take(self, challenge_digest: bytes, key_ids: Collection[bytes]) -> Token:
        """Remove and return one token for this challenge under one of these issuer keys, a random one.

        Tokens of keys that are no longer published are dropped on the way: they would single their
        holder out.

        Raises:
            WalletEmpty: there is none.
        """
        while True:
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

    def count(self, challenge_digest: bytes) -> int:
        """Return how many tokens there are for this challenge."""
        row = self._database.execute(
            "SELECT count(*) FROM tokens WHERE challenge = ?", (challenge_digest,)
        ).fetchone()
        return int(row[0])
