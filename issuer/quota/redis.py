"""The quota in Redis, on one server or a cluster: the one that several issuers share.

Each process has one connection per server (`tacita.service.redis`), which carries one batch at a time
(`tacita.service.lanes`), and a batch is one round trip of script calls (`issuer.quota.redis_script`). There
is no retry: an attempt that broke off may have charged, so its caller is told `QuotaUnavailable`; the
same body, sent again, is then answered for that charge.

With `appendfsync always` every charge that was answered for is on disk. A server that comes back
without its data (its folder was lost, FLUSHALL, another server at the same address) is refused by the
issuers that run: they miss their marks.

In a cluster the accounts of a node that is away are told `QuotaUnavailable` until it returns, and those of
the others are served; so are they where one node has lost its data. Marks are made when an issuer starts, and
not while it runs. One that starts while a node is away serves the rest, and takes the node when it is
back with its marks; a node that never had any is taken at the next start.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from issuer.attesters import Account
from issuer.errors import ClockSetBack, QuotaUnavailable, TooManyRepeats
from issuer.quota import Charge
from issuer.quota.claims import Claims
from issuer.quota.redis_script import (
    CLOCK,
    DEAD,
    EXHAUSTED,
    FOREIGN,
    FRESH,
    KEPT,
    MARKS,
    charge_call,
    mark_call,
    mark_of,
    refund_call,
)
from issuer.quota.tally import Tally
from tacita.errors import ConfigError
from tacita.service.lanes import Lanes
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.opening import open_redis
from tacita.service.redis.protocol import Redis
from tacita.service.redis.scripts import ScriptCall

__all__ = ["RedisQuota"]


class _Call(NamedTuple):
    """A script call beside a mark, or the mark alone."""

    mark: bytes
    at: int
    script: ScriptCall | None = None


class RedisQuota:
    """A `Quota` in Redis. Make it with `open`."""

    def __init__(self, redis: Redis, claims: Claims) -> None:
        self._redis = redis
        self._claims = claims
        self._lanes: Lanes[_Call, bytes | None] = Lanes(
            self._run, lambda _: QuotaUnavailable(), "quota", self._lane_of
        )

    @classmethod
    async def open(
        cls,
        address: str,
        key: bytes,
        period_seconds: int,
        *,
        clock: Callable[[], float] = time.time,
        password_file: Path | None = None,
        ca_file: Path | None = None,
        accept_replicas: bool = False,
        timeout: float = 2.0,
    ) -> Self:
        """Connect to what is at `address` (see `tacita.service.redis.address`) and check it.

        `key` (32 bytes) makes the hashes under which accounts and requests are kept; all issuers that
        share a quota share it. `clock` returns UNIX seconds. `accept_replicas` takes the risk that
        a promoted replica grants again what had not reached it. A call waits for at most `timeout` seconds.

        Raises:
            ConfigError: the address is malformed, a server could forget charges, or the quota there is
                kept under another key.
            RedisUnavailable: it cannot be reached; of a cluster, no master can.
            ClockSetBack: the clock stands before the newest charge.
        """
        redis = await open_redis(
            address,
            "quotas",
            password_file=password_file,
            ca_file=ca_file,
            accept_replicas=accept_replicas,
            timeout=timeout,
        )
        quota = cls(redis, Claims(key, period_seconds, clock))
        try:
            await quota._begin()
        except BaseException:
            await redis.close()
            raise
        return quota

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._lanes.close()
        await self._redis.close()

    async def charge(self, account: Account, request: bytes, tokens: int) -> Charge:
        """See `Quota.charge`."""
        claim, _ = self._claims.claim(account, request, tokens)
        answer = await self._ask(_Call(mark_of(claim), claim.at, charge_call(claim)))
        match answer:
            case b"fresh" | b"repeated":
                return Charge(claim, fresh=answer == FRESH)
            case _ if answer == EXHAUSTED:
                raise TooManyRepeats
            case _ if answer in {CLOCK, DEAD}:
                raise ClockSetBack
        _tally(answer).charged(claim)
        raise QuotaUnavailable  # the script refused what its twin grants: a defect

    async def refund(self, charge: Charge) -> None:
        """See `Quota.refund`."""
        if charge.fresh:
            now = self._claims.now()
            # Whatever the mark beside it says: it was made.
            refund = _Call(mark_of(charge.claim), now, refund_call(charge.claim, now))
            await self._ask(refund, regardless=True)

    async def forget_past(self) -> None:
        """See `Quota.forget_past`. Redis drops the records of a period by itself when it is over.

        The marks have to know that time went on, also where nobody is charged beside them.
        """
        await self._look_at_marks()

    async def check(self) -> None:
        """See `Quota.check`. Looks at the settings of the servers again."""
        try:
            await self._redis.check()
        except RedisUnavailable:
            raise QuotaUnavailable from None
        await self._look_at_marks()

    async def _look_at_marks(self) -> None:
        """Raise where no account could be charged, whichever part it is counted in."""
        now = self._claims.now()
        calls = [self._lanes.call(_Call(mark, now)) for mark in MARKS]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        if KEPT in outcomes:
            return
        if CLOCK in outcomes:
            raise ClockSetBack
        raise QuotaUnavailable

    async def _begin(self) -> None:
        now = self._claims.now()
        answers = await self._redis.run(
            [mark_call(mark, self._claims.key_check, now, now, create=True) for mark in MARKS]
        )
        if FOREIGN in answers:
            raise ConfigError(
                "Redis holds a quota that was counted under another hash key; give all issuers the same one."
            )
        if CLOCK in answers:
            raise ClockSetBack

    async def _ask(self, call: _Call, *, regardless: bool = False) -> bytes:
        answer = await self._lanes.call(call, regardless=regardless)
        if answer is None:
            raise QuotaUnavailable
        return answer

    def _lane_of(self, call: _Call) -> Hashable:
        return self._redis.lane_of(call.mark)

    async def _run(self, calls: Sequence[_Call]) -> Sequence[bytes | None]:
        """Make `calls` beside their marks; return their answers, or None where that cannot be told."""
        moments: dict[bytes, list[int]] = {}
        for call in calls:
            moments.setdefault(call.mark, []).append(call.at)
        marks = [
            mark_call(mark, self._claims.key_check, min(ats), max(ats), create=False)
            for mark, ats in moments.items()
        ]
        scripts = [call.script for call in calls if call.script is not None]
        try:
            replies = await self._redis.run([*marks, *scripts])
        except RedisUnavailable:
            raise QuotaUnavailable from None
        marked = dict(zip(moments, replies, strict=False))
        rest = iter(replies[len(marks) :])
        answers: list[bytes | None] = []
        for call in calls:
            mark = marked[call.mark]
            answer = mark if call.script is None else next(rest)
            if mark == CLOCK:
                answer = CLOCK
            elif mark != KEPT:
                answer = None
            answers.append(answer if isinstance(answer, bytes) else None)
        return answers


def _tally(answer: bytes) -> Tally:
    try:
        return Tally(*map(int, answer.split()))
    except (ValueError, TypeError):
        raise QuotaUnavailable from None
