"""The attester that asks a service of the operator's, for whatever kind of credential that knows.

    POST <url>                                  Authorization: Bearer <the secret in a file>
    {"credential": {"authorization": "…"}}      the configured header fields, and nothing else
    200 {"account": "…", "tier": "…"}           it may have tokens
    401 or 403                                  it may not

Any other answer, and none in time, means that nobody can tell. A question is asked once. The
account may be any name that stays the same; the issuer keeps it under a keyed hash only. Now and
then the service is asked about no credential at all, `{"credential": {}}`, which it has to refuse:
one that vouches for that would vouch for anybody.
"""

import re
import time
from collections.abc import Callable, Mapping
from ssl import SSLContext
from typing import Annotated, Self

import msgspec
from multidict import MultiMapping

from issuer.attesters import Account, Evidence
from issuer.attesters.answers import ask
from issuer.attesters.cache import AccountCache
from issuer.attesters.config import WebhookConfig
from issuer.errors import AttesterUnavailable, Busy, CredentialMissing, CredentialRefused
from issuer.tiers import Allowance
from tacita.errors import ConfigError
from tacita.net.upstream import Upstream
from tacita.net.urls import split
from tacita.service.keyfiles import read_secret

__all__ = ["WebhookAttester"]

_MEDIA_TYPES = frozenset({"application/json"})
_MAX_ANSWER = 4_096
_MAX_CREDENTIAL = 8_192
_PROBE_SECONDS = 5.0
_SECRET = re.compile(rb"[A-Za-z0-9._~+/-]{16,1024}=*")


class _Answer(msgspec.Struct, frozen=True):
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    tier: str


class WebhookAttester:
    """Asks the service of `config`. `tiers` maps the name of a tier to its quota.

    `clock` returns seconds that only ever grow. Raises `ConfigError` where the secret cannot be used.
    """

    def __init__(
        self,
        config: WebhookConfig,
        tiers: Mapping[str, Allowance],
        tls: SSLContext | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        secret = read_secret(config.secret, "the secret for the attester's service").strip()
        if not _SECRET.fullmatch(secret):
            raise ConfigError(
                f"{config.secret} holds no bearer credential of 16 characters or more (RFC 6750)."
            )
        origin, self._path = split(config.url)
        self._fields = [
            (b"authorization", b"Bearer " + secret),
            (b"content-type", b"application/json"),
            (b"accept", b"application/json"),
        ]
        self._config = config
        self._tiers = tiers
        self._upstream = Upstream(
            origin, tls=tls, connections=config.connections, connect_seconds=config.seconds
        )
        self._cache = AccountCache(config.cache_seconds, config.cache_entries, clock=clock)
        self._clock = clock
        self._asking = 0
        self._probed: float | None = None
        self._vouches_for_anybody = False

    async def __aenter__(self) -> Self:
        await self._upstream.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._upstream.__aexit__(*exc)

    async def attest(self, evidence: Evidence) -> Account:
        """Return the account that the service names; see `Attester`. Raises `Busy` as well."""
        question = msgspec.json.encode({"credential": self._credential(evidence.headers)})
        account = self._cache.get(question)
        if account is not None:
            return account
        if self._vouches_for_anybody:
            raise AttesterUnavailable
        if self._asking >= self._config.connections:
            raise Busy
        self._asking += 1
        try:
            account = await self._ask(question)
        except AttesterUnavailable:
            self._probed = None  # Is it the question, or is the service down? The next check finds out.
            raise
        finally:
            self._asking -= 1
        if account is None:
            raise CredentialRefused
        self._cache.put(question, account)
        return account

    async def check(self) -> None:
        """Raise `AttesterUnavailable` unless the service answers as it should; see `Attester`."""
        if self._probed is not None and self._clock() - self._probed < _PROBE_SECONDS:
            return
        self._probed = None
        self._vouches_for_anybody = await self._ask(b'{"credential":{}}') is not None
        if self._vouches_for_anybody:
            raise AttesterUnavailable
        self._probed = self._clock()

    def _credential(self, headers: MultiMapping[str]) -> dict[str, str]:
        credential = {}
        for name in self._config.headers:
            values = headers.getall(name, [])
            if len(values) > 1 or any(
                len(value) > _MAX_CREDENTIAL or not value.isascii() for value in values
            ):
                raise CredentialRefused
            if values:
                credential[name.lower()] = values[0]
        if not any(credential.values()):
            raise CredentialMissing
        return credential

    async def _ask(self, question: bytes) -> Account | None:
        """Return the service's answer; None: it does not vouch."""
        status, body = await ask(
            self._upstream,
            "POST",
            self._path,
            self._fields,
            question,
            media_types=_MEDIA_TYPES,
            limit=_MAX_ANSWER,
            seconds=self._config.seconds,
        )
        return self._read(status, body)

    def _read(self, status: int, body: bytes) -> Account | None:
        if status in {401, 403}:
            return None
        if status != 200:
            raise AttesterUnavailable
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise AttesterUnavailable from None
        if answer.tier not in self._tiers:
            raise AttesterUnavailable
        return Account(f"webhook:{answer.account}", self._tiers[answer.tier])
