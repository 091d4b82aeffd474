"""What the issuer needs of an attester: the evidence of a request in, an account out.

RFC 9576 calls attester whoever decides that a client may have tokens at all. What
an attester learns ends here: the account goes to the quota, which keeps it under a
keyed hash, and never to the code that signs, to a log or to a metric.

Any implementation MUST

- return the same `Account.id` for the same account in every process and after a restart;
- raise `AttestationRefused` for whoever it does not vouch for, without telling a wrong
  credential from one that was withdrawn;
- raise `AttesterUnavailable` when it cannot tell, never let anybody through;
- keep everything that the evidence held out of its exceptions.
"""

from dataclasses import dataclass, field
from typing import Protocol, Self

from multidict import MultiMapping

from issuer.tiers import Allowance

__all__ = ["Account", "Attester", "Evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a request shows of whoever sends it.

    `headers` are its header fields (a case-insensitive multi-mapping). `peer_certificate` is the
    certificate (DER) that the client's end of the TLS connection has proved, where the listening
    context verified one.
    """

    headers: MultiMapping[str] = field(repr=False)
    peer_certificate: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """Whoever may have tokens: an opaque `id`, and its `quota`: tokens per period, or several limits.

    Where `until` (UNIX seconds) is given, the quota is not for a period but for all the time until then.
    """

    id: str = field(repr=False)
    quota: Allowance
    until: int | None = None


class Attester(Protocol):
    """Decides from a request's evidence which account it comes from. Used as an async context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_exc: object) -> None: ...

    async def attest(self, evidence: Evidence) -> Account:
        """Return the account behind `evidence`.

        Raises:
            AttestationRefused: there is no credential, or it is not valid.
            AttesterUnavailable: the attester cannot tell at present.
        """

    async def check(self) -> None:
        """Raise `AttesterUnavailable` unless the attester can tell now (for readiness)."""
