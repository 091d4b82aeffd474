"""The wallet: tokens that were issued, verified, and not shown to anybody yet; and credentials.

A SQLite file with mode 0600. Taking a token deletes it durably before the caller has it,
so that no crash can make one be shown twice for two different requests; a token whose
request then fails is lost, which is the safe side. A credential of type 0xE5AC is shown many times, each
time with another nonce: that one is used up stands on the disk before the caller has the presentation.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tacita.client.errors import WalletEmpty, WalletUnavailable
from tacita.errors import ConfigError
from tacita.privacypass.extensions import Extensions
from tacita.privacypass.token import Token
from tacita.privacypass.types import arc
from tacita.privacypass.types.arc_challenge import CredentialChallenge

__all__ = ["ExpiringToken", "Wallet"]

# One script for each version, which makes it of the one before.
_MIGRATIONS = (
    """
CREATE TABLE tokens (token BLOB PRIMARY KEY, challenge BLOB NOT NULL) STRICT, WITHOUT ROWID;
    """,
    """
CREATE TABLE expiring (
  token BLOB PRIMARY KEY, challenge BLOB NOT NULL, extensions BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE credentials (
  number INTEGER PRIMARY KEY, key_id BLOB NOT NULL, credential BLOB NOT NULL
) STRICT;
    """,
)
_VERSION = len(_MIGRATIONS)
_BUSY_SECONDS = 10.0

# A rollback journal, gone after each transaction: a write-ahead log would go on holding what was
# spent. EXTRA, since with a journal the commit is its removal, and FULL does not sync that. Deleted
# tokens are overwritten: a stolen wallet must not show what was spent.
_PRAGMAS = ("journal_mode = DELETE", "synchronous = EXTRA", "secure_delete = ON")


@dataclass(frozen=True, slots=True)
class ExpiringToken:
    """A token of type 0xDA7A and the extensions that it was signed with, which are shown with it."""

    token: Token
    extensions: Extensions = field(repr=False)


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

    def add_expiring(self, tokens: Iterable[ExpiringToken]) -> None:
        """Keep `tokens` of type 0xDA7A, which the caller has verified: all, or on an error none.

        Raises:
            WalletUnavailable: the file cannot be written.
        """
        rows = [(one.token.encode(), one.token.challenge_digest, one.extensions.encode()) for one in tokens]
        with _reported(), _transaction(self._database):
            self._database.executemany("INSERT OR IGNORE INTO expiring VALUES (?, ?, ?)", rows)

    def take_expiring(self, challenge_digest: bytes, key_ids: Collection[bytes], now: float) -> ExpiringToken:
        """Remove and return one token of type 0xDA7A, as `take`.

        Those that have expired by `now` (UNIX seconds) are dropped on the way. Raises as `take`.
        """
        while True:
            with _reported(), _transaction(self._database):
                row = self._database.execute(
                    "DELETE FROM expiring WHERE token = (SELECT token FROM expiring WHERE challenge = ? "
                    "ORDER BY random() LIMIT 1) RETURNING token, extensions",
                    (challenge_digest,),
                ).fetchone()
            if row is None:
                raise WalletEmpty("The wallet has no token for this gateway; fetch some.")
            one = ExpiringToken(Token.decode(row[0]), Extensions.decode(row[1]))
            expired = any(expiration.timestamp <= now for expiration in one.extensions.expirations())
            if one.token.token_key_id in key_ids and not expired:
                return one

    def add_credential(self, credential: arc.Credential) -> None:
        """Keep `credential`, just issued. From now on this file is the one place where it may be shown from.

        Raises:
            WalletUnavailable: the file cannot be written.
        """
        row = (credential.key.key_id, credential.encode())
        with _reported(), _transaction(self._database):
            self._database.execute("INSERT INTO credentials (key_id, credential) VALUES (?, ?)", row)

    def present(self, challenge: CredentialChallenge, limit: int, key_ids: Collection[bytes]) -> arc.Token:
        """Show a credential once more for `challenge`; on return its nonce is used up, on the disk.

        `limit` is the origin's: how often a credential may be shown in this context. Of several credentials
        the oldest that is not used up is shown. Those of keys that are no longer published (`key_ids`)
        are dropped on the way.

        Raises:
            WalletEmpty: there is no credential for this challenge, or all were shown as often as allowed.
            LimitOutOfRange: no proof can be made for such a limit.
            WalletUnavailable: the file cannot be written; nothing was shown.
        """
        with _reported(), _transaction(self._database):
            for number, credential in self._credentials():
                if credential.key.key_id not in key_ids:
                    self._database.execute("DELETE FROM credentials WHERE number = ?", (number,))
                elif credential.fits(challenge) and credential.remaining(challenge, limit):
                    token = arc.present(credential, challenge, limit)
                    self._database.execute(
                        "UPDATE credentials SET credential = ? WHERE number = ?",
                        (credential.encode(), number),
                    )
                    break
            else:
                token = None
        if token is None:
            raise WalletEmpty("The wallet has no credential left for this gateway; fetch one.")
        return token

    def count_presentations(
        self, challenge: CredentialChallenge, limit: int, key_ids: Collection[bytes]
    ) -> int:
        """Return how often `present` would find something to show. Raises `WalletUnavailable`."""
        with _reported():
            return sum(
                credential.remaining(challenge, limit)
                for _, credential in self._credentials()
                if credential.key.key_id in key_ids and credential.fits(challenge)
            )

    def _credentials(self) -> list[tuple[int, arc.Credential]]:
        rows = self._database.execute("SELECT number, credential FROM credentials ORDER BY number")
        return [(number, arc.Credential.decode(encoded)) for number, encoded in rows]

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
    foreign = version == 0 and database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if foreign or not 0 <= version <= _VERSION:
        raise ConfigError(f"{path} is not a wallet of version {_VERSION}, which this program reads.")
    if version == _VERSION:
        return
    for script in _MIGRATIONS[version:]:
        for statement in script.split(";"):
            database.execute(statement)
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
