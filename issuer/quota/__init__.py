"""What the issuer needs of a quota: tokens are charged durably before a signature is made.

An answer that was lost is not paid for twice: the same request of the same account is
recognised within its period. A caller that is cancelled may have been charged; asking again
with the same body then costs nothing.

Any implementation MUST

- make each charge one atomic step, whatever other processes do, and never grant more than a limit allows;
- have a charge on durable storage before `charge` returns;
- raise `QuotaUnavailable` when it cannot tell, and `ClockSetBack` when it may have dropped what it
  would have to know, never let a request through;
- take a charge back only if nobody else was granted the same request meanwhile;
- keep accounts and requests under keyed hashes, and drop them when their period is over.

`tests/contracts/quota.py` proves these of each implementation: `issuer.quota.sqlite` for one machine,
`issuer.quota.redis` for several.
"""

from dataclasses import dataclass
from typing import Protocol, Self

from issuer.attesters import Account
from issuer.quota.claims import Claim

__all__ = ["Charge", "Quota"]


@dataclass(frozen=True, slots=True)
class Charge:
    """A claim that may be answered. `fresh` is False where an earlier request paid for it."""

    claim: Claim
    fresh: bool


class Quota(Protocol):
    """Charges and refunds. Used as an async context manager, which finishes what is under way."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_exc: object) -> None: ...

    async def charge(self, account: Account, request: bytes, tokens: int) -> Charge:
        """Charge `account` for `tokens`; on return that is on durable storage.

        `request` stands for what the client sent, whole: its media type and body.

        Raises:
            OverQuota, OverDailyLimit, OverBurst: fewer are left in this period, on this day, or at
                once. Nothing was charged.
            QuotaUsedUp: fewer are left, and the account has no periods. Nothing was charged.
            TooManyRepeats: the same request was answered too often.
            QuotaUnavailable, ClockSetBack: the quota cannot tell.
        """

    async def refund(self, charge: Charge) -> None:
        """Take back a fresh charge of which no signature has left or will leave.

        It is queued before the first await, so a cancelled caller refunds too. Raises `QuotaUnavailable`
        (the charge may then stand, and the same request is still answered for it).
        """

    async def forget_past(self) -> None:
        """Delete the records of past periods, where the storage does not by itself. Raises as `check`."""

    async def check(self) -> None:
        """Raise `QuotaUnavailable` or `ClockSetBack` unless a charge could be made now (for readiness)."""
