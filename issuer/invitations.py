"""The invitations database: codes that buy tokens once. `tacita-issuer invite` writes it.

A code is 32 random bytes and kept as its SHA-256, as an API key is (`issuer.attesters.api_key` says
why that is enough). Beside it stand a random account id, how many tokens it buys and when it
expires. How many of them are spent is the quota ledger's to know: it counts an invitation's account
not by period but until the invitation expires.
"""

import os
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tacita.errors import ConfigError
from tacita.wire import base64url

__all__ = ["CODE_LENGTH", "MAX_SIZES", "Invitation", "Invitations", "Listed", "digest_of"]

PREFIX = "tacita_invite_"
CODE_LENGTH = len(PREFIX) + 43

MAX_SIZES = 4
"""How many amounts valid invitations may have: each is an anonymity set of its own, as a tier is."""

_LABEL_LENGTH = 12
_DAY = 86_400
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE invitations (
  digest BLOB PRIMARY KEY, account TEXT NOT NULL UNIQUE,
  tokens INTEGER NOT NULL CHECK (tokens > 0), expires INTEGER NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a code buys: `tokens`, for the opaque `account`, until `expires` (UNIX seconds)."""

    account: str = field(repr=False)
    tokens: int
    expires: int


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """An invitation as the operator sees it: what it buys and until when, and a name that is not its code.

    The `label` is the beginning of the code's SHA-256; the code is too random to be found from that.
    """

    expires: int
    tokens: int
    label: str


def digest_of(code: str) -> bytes:
    """Return the 32 bytes under which `code` is kept."""
    return sha256(code.encode()).digest()


class Invitations:
    """One connection to the database at `path`; to be used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the database, or create it with mode 0600.

        Raises:
            ConfigError: it cannot be opened, others can read it too, or another version wrote it.
        """
        self._path = path
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                mode = os.fstat(descriptor).st_mode
            finally:
                os.close(descriptor)
            if mode & 0o077:
                raise ConfigError(f"{path} (the invitations) is readable by others; run chmod 600 {path}.")
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"The invitations database {path} cannot be opened ({type(error).__name__})."
            ) from None
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                self._db.execute(f"PRAGMA {pragma}").fetchone()
            self._migrate()
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigError(
                f"{path} is not a usable invitations database ({type(error).__name__}); restore it."
            ) from None
        except ConfigError:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def find(self, digest: bytes) -> Invitation | None:
        """Return the invitation whose code has this `digest`, expired or not. Raises `sqlite3.Error`."""
        row = self._db.execute(
            "SELECT account, tokens, expires FROM invitations WHERE digest = ?", (digest,)
        ).fetchone()
        return Invitation(*row) if row else None

    def create(
        self,
        count: int,
        tokens: int,
        days: int,
        *,
        now: float,
        random: Callable[[int], bytes] = os.urandom,
    ) -> list[str]:
        """Add `count` invitations for `tokens` each, and return their codes; drop what has expired.

        They expire at the end of a UTC day, so that those of one day cannot be told apart by the second.

        Raises:
            ConfigError: valid invitations have `MAX_SIZES` other amounts already, or it cannot be written.
        """
        expires = (int(now) // _DAY + days + 1) * _DAY
        codes = [PREFIX + base64url.encode(random(32)).rstrip("=") for _ in range(count)]
        rows = [(digest_of(code), random(16).hex(), tokens, expires) for code in codes]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("DELETE FROM invitations WHERE expires <= ?", (int(now),))
                sizes = {size for (size,) in self._db.execute("SELECT DISTINCT tokens FROM invitations")}
                if len(sizes | {tokens}) > MAX_SIZES:
                    raise ConfigError(
                        f"There are valid invitations for {MAX_SIZES} other amounts; use one of "
                        f"{', '.join(map(str, sorted(sizes)))}: a crowd that is split further hides nobody."
                    )
                self._db.executemany("INSERT INTO invitations VALUES (?, ?, ?, ?)", rows)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise ConfigError(f"{self._path} cannot be written to ({type(error).__name__}).") from None
        return codes

    def listed(self) -> list[Listed]:
        """Return all invitations, those that expire first at the beginning. Raises `ConfigError`."""
        try:
            rows = self._db.execute("SELECT digest, tokens, expires FROM invitations").fetchall()
        except sqlite3.Error as error:
            raise ConfigError(f"{self._path} cannot be read ({type(error).__name__}).") from None
        return sorted(Listed(expires, tokens, _label(digest)) for digest, tokens, expires in rows)

    def revoke(self, labels: Collection[str] | None = None) -> int:
        """Delete the invitations with these `labels`, or all; return how many went. All or nothing.

        Tokens that were had for them stay valid until their key dies. An issuer refuses the codes at once.

        Raises:
            ConfigError: there is no invitation of one of these labels, or it cannot be written.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                digests = [digest for (digest,) in self._db.execute("SELECT digest FROM invitations")]
                if labels is not None:
                    if unknown := set(labels) - set(map(_label, digests)):
                        raise ConfigError(f"There is no invitation {min(unknown)}; see `invite list`.")
                    digests = [digest for digest in digests if _label(digest) in labels]
                self._db.executemany(
                    "DELETE FROM invitations WHERE digest = ?", [(digest,) for digest in digests]
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise ConfigError(f"{self._path} cannot be written to ({type(error).__name__}).") from None
        return len(digests)

    def _migrate(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.execute(_SCHEMA)
                self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise ConfigError(
                    f"{self._path} has schema version {version} and this issuer reads {_SCHEMA_VERSION}; "
                    "use the release that wrote it."
                )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _label(digest: bytes) -> str:
    return digest.hex()[:_LABEL_LENGTH]
