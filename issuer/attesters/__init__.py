"""What the issuer needs of an attester: request headers in, an account out.

RFC 9576 calls attester whoever decides that a client may have tokens at all. What
an attester learns ends here: the account goes to the quota, which keeps it under a
keyed hash, and never to the code that signs, to a log or to a metric.

Any implementation MUST

- return the same `Account.id` for the same account in every process and after a restart;
- raise `AttestationRefused` for whoever it does not vouch for, without telling a wrong
  credential from one that was withdrawn;
- raise `AttesterUnavailable` when it cannot tell, never let anybody through;
- keep everything that the headers held out of its exceptions.
"""

from dataclasses import dataclass, field
from typing import Protocol

from multidict import MultiMapping

__all__ = ["Account", "Attester"]


@dataclass(frozen=True, slots=True)
class Account:
    """Whoever may have tokens: an opaque `id`, and the `quota` of its tier in tokens per period."""

    id: str = field(repr=False)
    quota: int


class Attester(Protocol):
    """Decides from a request's header fields which account it comes from."""

    async def attest(self, headers: MultiMapping[str]) -> Account:
        """Return the account behind `headers` (a case-insensitive multi-mapping).

        Raises:
            AttestationRefused: there is no credential, or it is not valid.
            AttesterUnavailable: the attester cannot tell at present.
        """

    async def check(self) -> None:
        """Raise `AttesterUnavailable` unless the attester can tell now (for readiness)."""
