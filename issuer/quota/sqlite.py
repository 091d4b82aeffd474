"""The quota in a SQLite file: the one of an issuer that runs on one machine.

The database is written by one thread. Whatever is waiting when it is free goes into one
transaction, so that many clients share one fsync. A caller has its answer only after COMMIT.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from issuer.attesters import Account
from issuer.errors import ClockSetBack, QuotaUnavailable
from issuer.quota import Charge
from issuer.quota.claims import Claims
from issuer.quota.ledger import Ledger
from tacita.errors import TacitaError

__all__ = ["SqliteQuota"]

_FORGET_ROWS = 5_000
"""Rows deleted in one transaction: some ten milliseconds, for which charges wait."""

T = TypeVar("T")
_Job = tuple[Callable[[], object], "asyncio.Future[Any]"]


class SqliteQuota:
    """A `Quota` in one file.

    `database` is the file of the ledger, `key` (32 bytes) makes the hashes under which accounts and
    requests are kept in it, `clock` returns UNIX seconds. Raises `ConfigError` as `Ledger`.
    """

    def __init__(
        self, database: Path, key: bytes, period_seconds: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._claims = Claims(key, period_seconds, clock)
        self._ledger = Ledger(database, self._claims.key_check)
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

    async def charge(self, account: Account, request: bytes, tokens: int) -> Charge:
        """See `Quota.charge`."""
        try:
            return await self._charge(account, request, tokens)
        except ClockSetBack:
            # Perhaps the period has ended while this was waiting, and another process was first to say so.
            return await self._charge(account, request, tokens)

    async def _charge(self, account: Account, request: bytes, tokens: int) -> Charge:
        claim, present = self._claims.claim(account, request, tokens)
        return Charge(claim, await self._write(lambda: self._ledger.charge(claim, present=present)))

    async def refund(self, charge: Charge) -> None:
        """See `Quota.refund`."""
        if charge.fresh:
            now = self._claims.now()
            await self._write(lambda: self._ledger.refund(charge.claim, now))

    async def forget_past(self) -> None:
        """See `Quota.forget_past`."""
        period = self._claims.period()
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
        """See `Quota.check`."""
        period = self._claims.period()
        await self._write(lambda: self._ledger.forget_before(period, limit=0))

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
