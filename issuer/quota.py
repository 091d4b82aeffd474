"""The quota: tokens per account and period, charged durably before a signature is made.

The database is written by one thread. Whatever is waiting when it is free goes into one
transaction, so that many clients share one fsync. A caller has its answer only after COMMIT.

An answer that was lost is not paid for twice: the same request of the same account is
recognised by its keyed hash. A caller that is cancelled may have been charged; asking again
with the same body then costs nothing.
"""

import asyncio
import hmac
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from issuer.attesters import Account
from issuer.errors import OverQuota, QuotaUnavailable, QuotaUsedUp
from issuer.ledger import Claim, Ledger
from issuer.period import Period
from tacita.errors import ConfigError, TacitaError
from tacita.service.keyfiles import create_secret, read_secret

__all__ = ["Charge", "Quota", "load_hash_key"]

_FORGET_ROWS = 5_000
"""Rows deleted in one transaction: some ten milliseconds, for which charges wait."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A claim that may be answered. `fresh` is False where an earlier request paid for it."""

    claim: Claim
    fresh: bool


T = TypeVar("T")
_Job = tuple[Callable[[], object], "asyncio.Future[Any]"]


def load_hash_key(path: Path) -> bytes:
    """Return the 32 random bytes in `path`, which is made where it is missing. Raises `ConfigError`."""
    what = "the key of the quota database's hashes"
    try:
        if not path.exists():
            create_secret(path, os.urandom(32))
    except OSError as error:
        raise ConfigError(f"{path} ({what}) cannot be made: {error.strerror}.") from None
    key = read_secret(path, what)
    if len(key) != 32:
        raise ConfigError(f"{path} ({what}) does not hold 32 bytes; restore it from a copy.")
    return key


class Quota:
    """Charges and refunds. Use as an async context manager.

    `database` is the file of the ledger, `key` (32 bytes) makes the hashes under which accounts and
    requests are kept in it, `clock` returns UNIX seconds. Raises `ConfigError` as `Ledger`.
    """

    def __init__(
        self, database: Path, key: bytes, period_seconds: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger = Ledger(database, hmac.digest(key, b"check", "sha256"))
        self._key = key
        self._seconds = period_seconds
        self._clock = clock
        self._waiting: list[_Job] = []
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="quota")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Finish what is under way and close the database."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()
        self._ledger.close()

    def period(self) -> Period:
        """Return the present period."""
        return Period.at(self._clock(), self._seconds)

    async def charge(self, account: Account, request: bytes, tokens: int) -> Charge:
        """Charge `account` for `tokens`; on return that is on durable storage.

        `request` stands for what the client sent, whole: its media type and body.

        Raises:
            OverQuota: fewer are left in this period. Nothing was charged.
            QuotaUsedUp: fewer are left, and the account has no periods. Nothing was charged.
            TooManyRepeats: the same request was answered too often.
            QuotaUnavailable, ClockSetBack: the database cannot tell.
        """
        now = self._clock()
        present = Period.at(now, self._seconds)
        # What is not counted by period is kept under the moment of its end: it is forgotten only after it.
        period = present if account.until is None else Period(account.until, account.until)
        claim = Claim(
            period,
            self._hash(b"account", period, account.id.encode()),
            self._hash(b"request", period, account.id.encode(), request),
            tokens,
        )
        try:
            fresh = await self._write(lambda: self._ledger.charge(claim, account.quota, now, present=present))
        except OverQuota as refusal:
            if account.until is None:
                raise
            raise QuotaUsedUp(refusal.left) from None
        return Charge(claim, fresh)

    async def refund(self, charge: Charge) -> None:
        """Take back a fresh charge of which no signature has left or will leave.

        It is queued before the first await, so a cancelled caller refunds too. Raises `QuotaUnavailable`
        (the charge then stands, and the same request is still answered for it).
        """
        if charge.fresh:
            await self._write(lambda: self._ledger.refund(charge.claim))

    async def forget_past(self) -> None:
        """Delete the records of periods that are over. Raises as `charge`."""
        period = self.period()
        forgotten = 0
        while gone := await self._write(lambda: self._ledger.forget_before(period, limit=_FORGET_ROWS)):
            forgotten += gone
        if forgotten:
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._thread, self._ledger.truncate_wal)
            except sqlite3.Error:
                raise QuotaUnavailable from None

    async def check(self) -> None:
        """Raise `QuotaUnavailable` or `ClockSetBack` unless a charge could be made now."""
        period = self.period()
        await self._write(lambda: self._ledger.forget_before(period, limit=0))

    def _hash(self, label: bytes, period: Period, *parts: bytes) -> bytes:
        """Name something in the database. No name of one period can be matched with one of another."""
        message = [label, period.start.to_bytes(8, "big"), *parts]
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in message)
        return hmac.digest(self._key, framed, "sha256")

    async def _write(self, job: Callable[[], T]) -> T:
        """Run `job` in the next transaction; return what it returned once that is durable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append((job, answer))
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write_waiting())
        return await answer

    async def _write_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            results = await loop.run_in_executor(self._thread, self._commit, [job for job, _ in group])
            for (_, answer), result in zip(group, results, strict=True):
                if answer.done():  # the caller was cancelled
                    continue
                if isinstance(result, Exception):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)

    def _commit(self, jobs: Sequence[Callable[[], object]]) -> list[object]:
        """Run `jobs` in one transaction. A refusal is the result of one; a failure is the result of all."""
        results: list[object] = []
        try:
            with self._ledger.transaction():
                for job in jobs:
                    try:
                        results.append(job())
                    except TacitaError as refusal:
                        results.append(refusal)
        except sqlite3.Error:
            return [QuotaUnavailable() for _ in jobs]
        except Exception as defect:
            return [defect for _ in jobs]  # whoever waits has to hear of it
        return results
