"""The issuer's public keys, as the mirror publishes them: whose tokens the gateway takes.

The directory is fetched from a mirror so that the issuer cannot tell which gateway asks,
and every client compares the same bytes. A key is taken from its not-before on, for as
long as the configuration says that a key lives; spent entries are kept for exactly that
long. While no directory could be fetched yet the gateway is not ready; later, the last
good copy stays in use.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import IssuerConfig
from gateway.errors import IssuerKeysMissing
from tacita.errors import TacitaError
from tacita.net import documents, tls
from tacita.privacypass import directory
from tacita.privacypass.directory import IssuerDirectory
from tacita.privacypass.errors import ForeignToken, NoUsableKey
from tacita.privacypass.types import blind_rsa
from tacita.service.logs import Logger

__all__ = ["IssuerKeys", "TrustedKey"]

_FIRST_RETRY_SECONDS = 0.25
_LONGEST_RETRY_SECONDS = 30.0
_CLOCKS_DIFFER = 5
"""Seconds by which an issuer's clock may be ahead of ours: its newest key is taken that much early."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One key that tokens are verified with: `encoded` as published, `expires` in UNIX seconds."""

    key: blind_rsa.PublicKey
    encoded: bytes
    not_before: int
    expires: int


class IssuerKeys:
    """The keys of the one issuer that the gateway trusts."""

    def __init__(self, config: IssuerConfig, clock: Callable[[], float], log: Logger) -> None:
        self._config = config
        self._clock = clock
        self._log = log
        self._tls = tls.client_context() if config.directory.startswith("https:") else None
        self._keys: dict[bytes, TrustedKey] = {}
        self._known: documents.Document | None = None

    def find(self, token_key_id: bytes) -> TrustedKey:
        """Return the key with this 32-byte id if tokens under it are taken now.

        Raises:
            IssuerKeysMissing: no directory was fetched yet.
            ForeignToken: there is no such key, or it is not valid yet or any more.
        """
        if not self._keys:
            raise IssuerKeysMissing("The gateway does not know the issuer's keys yet; try again soon.")
        key = self._keys.get(token_key_id)
        if key is None or not key.not_before - _CLOCKS_DIFFER <= self._clock() < key.expires:
            raise ForeignToken(
                "The token is of another issuer, or its key has had its time; get another one."
            )
        return key

    def issuing(self) -> TrustedKey | None:
        """Return the key that the issuer signs with now, if it is known: the first that is valid."""
        now = self._clock()
        return next((key for key in self._keys.values() if key.not_before <= now < key.expires), None)

    async def refresh(self) -> None:
        """Fetch the directory once. Raises an error of the tree and keeps the old keys when that fails."""
        document = await documents.fetch(
            self._config.directory, directory.MEDIA_TYPE, known=self._known, tls=self._tls
        )
        listed = IssuerDirectory.from_json(document.body)
        keys = {}
        for entry in listed.token_keys:
            if entry.token_type != blind_rsa.TOKEN_TYPE:
                continue
            key = blind_rsa.load_public_key(entry.public_key)
            # A key without not-before is valid from when we first see it.
            since = entry.not_before if entry.not_before is not None else self._first_seen(key.key_id)
            keys[key.key_id] = TrustedKey(key, entry.public_key, since, since + self._config.key_seconds)
        if not keys:
            raise NoUsableKey("The issuer directory lists no key of the token type that is taken here.")
        self._keys = keys
        self._known = document

    def _first_seen(self, key_id: bytes) -> int:
        known = self._keys.get(key_id)
        return known.not_before if known is not None else int(self._clock())

    async def keep_fresh(self, first: Callable[[], None]) -> None:
        """Refresh for ever; call `first` when it has worked once."""
        wait = _FIRST_RETRY_SECONDS
        while True:
            try:
                await self.refresh()
            except TacitaError as error:
                self._log.event("issuer_directory_failed", kind=type(error).__name__)
                wait = min(wait * 2, _LONGEST_RETRY_SECONDS)
            except Exception as defect:
                self._log.internal_error(defect)
                wait = _LONGEST_RETRY_SECONDS
            else:
                first()
                wait = self._config.refresh_seconds
            await asyncio.sleep(wait)
