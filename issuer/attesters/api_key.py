"""The first attester: one API key for each account, `Authorization: Bearer tacita_…` (RFC 6750, Section 2.1).

An API key is 32 random bytes, shown once and kept as its SHA-256. A slow password hash
would buy nothing: it protects secrets that can be guessed, and nobody guesses 256 bits.
For the same reason the lookup by a part of the digest gives nothing away; the whole
digest is then compared in constant time.
"""

import hmac
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Self

from issuer.accounts import AccountRecord, AccountsFile
from issuer.attesters import Account, Evidence
from issuer.attesters.bearer import bearer_credential
from issuer.errors import AttesterUnavailable, CredentialRefused
from issuer.tiers import Allowance
from tacita.errors import ConfigError
from tacita.wire import base64url

__all__ = ["ApiKeyAttester", "digest_of", "new_api_key"]

PREFIX = "tacita_"
"""Lets secret scanners, and people, recognise a key that strayed into a repository."""

_LENGTH = len(PREFIX) + 43
_BUCKET = 8


def new_api_key(random: Callable[[int], bytes] = os.urandom) -> str:
    """Return a new API key: `tacita_` and the unpadded base64url form of 32 random bytes."""
    return PREFIX + base64url.encode(random(32)).rstrip("=")


def digest_of(api_key: str) -> bytes:
    """Return the 32 bytes under which `api_key` is kept."""
    return sha256(api_key.encode()).digest()


class ApiKeyAttester:
    """Knows the accounts of one accounts file, which it reads again whenever that has changed.

    `tiers` maps the name of a tier to its quota in tokens per period.
    """

    def __init__(self, accounts: AccountsFile, tiers: Mapping[str, Allowance]) -> None:
        self._file = accounts
        self._tiers = tiers
        self._version: object = None
        self._buckets: dict[bytes, list[AccountRecord]] = {}

    def load(self) -> int:
        """Read the file if it has changed; return how many accounts there are.

        Raises:
            ConfigError: it cannot be read, or an account has a tier that the configuration does not.
        """
        version = self._file.version()
        if version != self._version:
            # Nobody is let in on a file that was replaced by one that cannot be read.
            self._version, self._buckets = None, {}
            buckets: dict[bytes, list[AccountRecord]] = {}
            for record in self._file.read():
                if record.tier not in self._tiers:
                    raise ConfigError(
                        f"{self._file.path} names a tier that the configuration lacks; add it under [tiers]."
                    )
                buckets.setdefault(record.digest[:_BUCKET], []).append(record)
            self._version, self._buckets = version, buckets
        return sum(map(len, self._buckets.values()))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        pass

    async def attest(self, evidence: Evidence) -> Account:
        """Return the account whose API key `evidence` carries; see `Attester`."""
        await self.check()
        digest = digest_of(bearer_credential(evidence.headers, longest=_LENGTH))
        for record in self._buckets.get(digest[:_BUCKET], ()):
            if hmac.compare_digest(record.digest, digest):
                return Account(record.id, self._tiers[record.tier])
        raise CredentialRefused

    async def check(self) -> None:
        """Raise `AttesterUnavailable` unless the accounts file can be read; see `Attester`."""
        try:
            self.load()
        except ConfigError:
            raise AttesterUnavailable from None
