"""The quota in Redis: the one that several issuers share.

One connection per process (`tacita.service.redis.server`) carries one batch at a time
(`tacita.service.batching`), and a batch is one round trip of script calls
(`issuer.quota.redis_script`). There is no retry: an attempt that broke off may have charged, so its
caller is told `QuotaUnavailable`; the same body, sent again, is then answered for that charge.

With `appendfsync always` every charge that was answered for is on disk. A server that comes back
without its data (its folder was lost, FLUSHALL, another server at the same address) is refused by the
issuers that run: they miss their mark.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from redis.exceptions import RedisError

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
    charge_call,
    mark_call,
    refund_call,
)
from issuer.quota.tally import Tally
from tacita.errors import ConfigError
from tacita.service.batching import Batcher
from tacita.service.redis.errors import RedisUnavailable
from tacita.service.redis.scripts import ScriptCall, run
from tacita.service.redis.server import RedisServer

__all__ = ["RedisQuota"]


class _Call(NamedTuple):
    script: ScriptCall
    at: int


class RedisQuota:
    """A `Quota` on one Redis server. Make it with `open`."""

    def __init__(self, server: RedisServer, claims: Claims) -> None:
        self._server = server
        self._claims = claims
        self._batcher: Batcher[_Call, bytes] = Batcher(self._run, lambda _: QuotaUnavailable(), "quota")

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
        """Connect to the server at `address` (see `tacita.service.redis.address`) and check it.

        `key` (32 bytes) makes the hashes under which accounts and requests are kept; all issuers that
        share a quota share it. `clock` returns UNIX seconds. `accept_replicas` takes the risk that
        a promoted replica grants again what had not reached it. A call waits for at most `timeout` seconds.

        Raises:
            ConfigError: the address is malformed, the server could forget charges, or its quota is
                kept under another key.
            RedisUnavailable: it cannot be reached.
            ClockSetBack: the clock stands before the newest charge.
        """
        server = await RedisServer.open(
            address,
            "quotas",
            password_file=password_file,
            ca_file=ca_file,
            accept_replicas=accept_replicas,
            timeout=timeout,
        )
        quota = cls(server, Claims(key, period_seconds, clock))
        try:
            await quota._begin()
        except BaseException:
            await server.close()
            raise
        return quota

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._batcher.close()
        await self._server.close()

    async def charge(self, account: Account, request: bytes, tokens: int) -> Charge:
        """See `Quota.charge`."""
        claim, _ = self._claims.claim(account, request, tokens)
        answer = await self._batcher.call(_Call(charge_call(claim), claim.at))
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
            await self._batcher.call(_Call(refund_call(charge.claim, now), now), regardless=True)

    async def forget_past(self) -> None:
        """Redis drops the records of a period by itself when it is over; see `Quota.forget_past`."""

    async def check(self) -> None:
        """See `Quota.check`. Looks at the server's settings again."""
        try:
            await self._server.check()
        except RedisUnavailable:
            raise QuotaUnavailable from None
        if await self._batcher.call(self._mark_alone()) == CLOCK:
            raise ClockSetBack

    def _mark_alone(self) -> _Call:
        now = self._claims.now()
        return _Call(mark_call(self._claims.key_check, now, now, create=False), now)

    async def _begin(self) -> None:
        now = self._claims.now()
        async with self._server.borrowed() as link:
            (answer,) = await run(link, [mark_call(self._claims.key_check, now, now, create=True)])
        if answer == FOREIGN:
            raise ConfigError(
                "Redis holds a quota that was counted under another hash key; give all issuers the same one."
            )
        if answer != KEPT:
            raise ClockSetBack

    async def _run(self, calls: Sequence[_Call]) -> Sequence[bytes]:
        moments = [call.at for call in calls]
        mark = mark_call(self._claims.key_check, min(moments), max(moments), create=False)
        try:
            async with self._server.borrowed() as link:
                replies = await run(link, [mark, *(call.script for call in calls)])
                kept, *answers = [reply for reply in replies if isinstance(reply, bytes)]
                if len(answers) != len(calls):
                    raise RedisError
        except RedisUnavailable:
            raise QuotaUnavailable from None
        if kept == CLOCK:
            return [CLOCK] * len(calls)
        if kept != KEPT:
            raise QuotaUnavailable
        return answers


def _tally(answer: bytes) -> Tally:
    try:
        return Tally(*map(int, answer.split()))
    except (ValueError, TypeError):
        raise QuotaUnavailable from None
