"""What one account was charged in one period, and whether it may be charged more. Pure.

Three limits, each in tokens: of the period, of the UTC day, and of a bucket that fills up again
evenly. How much of the bucket is used is kept as tokens times the milliseconds of
`BURST_SECONDS`: in these units it drains by the burst limit in each millisecond, and everything is a
whole number. `issuer.quota.redis_script` says the same in Lua, and a test holds the two together.

Clocks of several issuers differ a little: what is on record is never older than the claim at hand.
"""

from dataclasses import dataclass, replace
from typing import Self

from issuer.errors import OverBurst, OverDailyLimit, OverQuota, QuotaUsedUp
from issuer.quota.claims import Claim
from issuer.tiers import BURST_SECONDS

__all__ = ["DAY", "WINDOW", "Tally", "burst_credit"]

DAY = 86_400_000
WINDOW = BURST_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class Tally:
    """Charged in the period; charged on the day with that number; used of the bucket at that moment."""

    tokens: int = 0
    day: int = 0
    day_tokens: int = 0
    burst_used: int = 0
    burst_at: int = 0

    def charged(self, claim: Claim) -> Self:
        """Return the tally with `claim` in it.

        Raises `OverQuota`, `QuotaUsedUp`, `OverDailyLimit` or `OverBurst`: the one that frees up last.
        """
        tier, now = claim.tier, claim.at / 1000
        left = tier.tokens - self.tokens
        if claim.tokens > left:
            left = max(0, left)
            raise OverQuota(claim.period, now, left) if claim.renewed else QuotaUsedUp(left)
        day = max(self.day, claim.at // DAY)
        day_tokens = self.day_tokens if day == self.day else 0
        if tier.per_day is not None and claim.tokens > tier.per_day - day_tokens:
            frees = min((day + 1) * DAY / 1000, claim.period.end)
            raise OverDailyLimit(frees, now, max(0, tier.per_day - day_tokens))
        burst_used, burst_at = self.burst_used, self.burst_at
        if tier.burst is not None:
            burst_at = max(self.burst_at, claim.at)
            burst_used = max(0, burst_used - (burst_at - self.burst_at) * tier.burst)
            room = tier.burst * WINDOW - burst_used
            if claim.tokens * WINDOW > room:
                # More than the bucket ever holds is never granted; it is full when the rest has drained.
                wanted = min(claim.tokens, tier.burst) * WINDOW
                frees = min((burst_at + -((room - wanted) // tier.burst)) / 1000, claim.period.end)
                raise OverBurst(frees, now, max(0, room // WINDOW))
            burst_used += claim.tokens * WINDOW
        return replace(
            self,
            tokens=self.tokens + claim.tokens,
            day=day,
            day_tokens=day_tokens + claim.tokens,
            burst_used=burst_used,
            burst_at=burst_at,
        )

    def refunded(self, claim: Claim, now: int) -> Self:
        """Return the tally without `claim`, which is in it, at the UNIX millisecond `now`."""
        same_day = self.day == claim.at // DAY
        return replace(
            self,
            tokens=self.tokens - claim.tokens,
            day_tokens=self.day_tokens - claim.tokens if same_day else self.day_tokens,
            burst_used=max(0, self.burst_used - burst_credit(claim, now)),
        )


def burst_credit(claim: Claim, now: int) -> int:
    """Return how much of the bucket `claim` surely still uses at the UNIX millisecond `now`."""
    drained = max(0, now - claim.at) * (claim.tier.burst or 0)
    return max(0, claim.tokens * WINDOW - drained)
