"""An issuer's keys, as the mirror publishes them: whose tokens the gateway takes.

The directory is fetched from a mirror so that the issuer cannot tell which gateway asks,
and every client compares the same bytes. A key is taken from its not-before on, for as
long as the configuration says that a key lives; spent entries are kept for exactly that
long. While no directory could be fetched yet the issuer's tokens are refused with 503; later, the
last good copy stays in use.

What only the issuer can verify is verified with its own key files, which are read again with each
refresh. The directory still decides which keys are taken, and when: a file alone is no key.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.config import IssuerConfig
from gateway.errors import IssuerKeysMissing
from gateway.token_types import TOKEN_TYPES, Key, TokenType
from tacita.errors import ConfigError, TacitaError
from tacita.net import documents, tls
from tacita.privacypass import directory
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.errors import ForeignToken, NoUsableKey
from tacita.service.key_folder import KeyFiles, KeyName, Stamp
from tacita.service.logs import Logger

__all__ = ["IssuerKeys", "TrustedKey"]

_FIRST_RETRY_SECONDS = 0.25
_LONGEST_RETRY_SECONDS = 30.0
_CLOCKS_DIFFER = 5
"""Seconds by which an issuer's clock may be ahead of ours: its newest key is taken that much early."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One key that tokens are verified with: `encoded` as published, `expires` in UNIX seconds."""

    key: Key
    encoded: bytes
    not_before: int
    expires: int


class IssuerKeys:
    """The keys of one issuer that the gateway trusts. `number` says in logs which one of several it is."""

    def __init__(
        self, config: IssuerConfig, clock: Callable[[], float], log: Logger, *, number: int = 1
    ) -> None:
        self.config = config
        self.token_types = tuple(TOKEN_TYPES[name] for name in config.token_types)
        self._clock = clock
        self._log = log
        self._number = number
        self._tls = tls.client_context() if config.directory.startswith("https:") else None
        self._secrets = _Secrets(config, self.token_types)
        self._keys: dict[tuple[int, bytes], TrustedKey] = {}
        self._known: documents.Document | None = None

    def find(self, token_type: int, token_key_id: bytes) -> TrustedKey:
        """Return the key of this type with this 32-byte id if tokens under it are taken now.

        Raises:
            IssuerKeysMissing: no directory was fetched yet.
            ForeignToken: there is no such key, or it is not valid yet or any more.
        """
        if not self._keys:
            raise IssuerKeysMissing("The gateway does not know the issuer's keys yet; try again soon.")
        key = self._keys.get((token_type, token_key_id))
        if key is None or not key.not_before - _CLOCKS_DIFFER <= self._clock() < key.expires:
            raise ForeignToken(
                "The token is of another issuer, or its key has had its time; get another one."
            )
        return key

    def issuing(self, token_type: int) -> TrustedKey | None:
        """Return the key that the issuer signs with now, if it is known: the first that is valid."""
        now = self._clock()
        return next(
            (
                key
                for (kind, _), key in self._keys.items()
                if kind == token_type and key.not_before <= now < key.expires
            ),
            None,
        )

    def check(self) -> None:
        """Read the issuer's own key files, where they are needed; blocks.

        Raises:
            ConfigError: one cannot be read, is readable by others, or is no key.
        """
        self._secrets.read()

    async def refresh(self) -> None:
        """Fetch the directory once, and read the key files.

        Raises an error of the tree and keeps the old keys when that fails.
        """
        document = await documents.fetch(
            self.config.directory, directory.MEDIA_TYPE, known=self._known, tls=self._tls
        )
        listed = IssuerDirectory.from_json(document.body)
        secrets = await asyncio.to_thread(self._secrets.read)
        keys: dict[tuple[int, bytes], TrustedKey] = {}
        for kind in self.token_types:
            for entry in listed.token_keys:
                if entry.token_type == kind.number:
                    self._add(keys, kind, entry, secrets)
        if not keys:
            raise NoUsableKey("The issuer directory lists no key of the token types that are taken here.")
        self._keys = keys
        self._known = document

    def _add(
        self,
        keys: dict[tuple[int, bytes], TrustedKey],
        kind: TokenType,
        entry: TokenKey,
        secrets: dict[tuple[int, bytes], Key],
    ) -> None:
        key = kind.load(entry.public_key)
        place = kind.number, key.key_id
        if kind.load_private is not None:
            if place not in secrets:
                # It can be verified once the issuer's file of it is there.
                return
            key = secrets[place]
        # A key without not-before is valid from when we first see it.
        since = entry.not_before if entry.not_before is not None else self._first_seen(place)
        keys[place] = TrustedKey(key, entry.public_key, since, since + self.config.key_seconds)

    def _first_seen(self, place: tuple[int, bytes]) -> int:
        known = self._keys.get(place)
        return known.not_before if known is not None else int(self._clock())

    async def keep_fresh(self, first: Callable[[], None]) -> None:
        """Refresh for ever; call `first` when it has worked."""
        wait = _FIRST_RETRY_SECONDS
        while True:
            try:
                await self.refresh()
            except TacitaError as error:
                self._log.event("issuer_directory_failed", issuer=self._number, kind=type(error).__name__)
                wait = min(wait * 2, _LONGEST_RETRY_SECONDS)
            except Exception as defect:
                self._log.internal_error(defect)
                wait = _LONGEST_RETRY_SECONDS
            else:
                first()
                wait = self.config.refresh_seconds
            await asyncio.sleep(wait)


class _Secrets:
    """The issuer's private keys, by token type and key id. One thread at a time."""

    def __init__(self, config: IssuerConfig, token_types: tuple[TokenType, ...]) -> None:
        self._files = None if config.key_folder is None else KeyFiles(config.key_folder)
        self._loaders = {
            kind.name: partial(_load, kind) for kind in token_types if kind.load_private is not None
        }
        self._loaded: dict[KeyName, tuple[Stamp, tuple[int, bytes], Key]] = {}

    def read(self) -> dict[tuple[int, bytes], Key]:
        """Return the keys that are there now; files that have not changed are not read again."""
        if self._files is None:
            return {}
        loaded = {}
        for name, stamp in self._files.keys().items():
            if name.type not in self._loaders:
                continue
            known = self._loaded.get(name)
            if known is None or known[0] != stamp:
                known = stamp, *self._loaders[name.type](self._files, name)
            loaded[name] = known
        self._loaded = loaded
        return {place: key for _, place, key in loaded.values()}


def _load(kind: TokenType, files: KeyFiles, name: KeyName) -> tuple[tuple[int, bytes], Key]:
    assert kind.load_private is not None
    content = files.read(name)
    try:
        key = kind.load_private(content)
    except TacitaError:
        path = files.path / name.file
        raise ConfigError(f"{path} is not a key of its type; restore it from a copy.") from None
    return (kind.number, key.public_key.key_id), key
