"""The attester for invitation codes: `Authorization: Bearer tacita_invite_…`.

A code is an account of its own. Its quota is what it buys, once, in one request or in many, until
it is spent or expires; an answer that was lost is given again as everybody's is. Two issuers that
share the invitations and the quota database cannot grant it twice.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self

from issuer.attesters import Account, Evidence
from issuer.attesters.bearer import bearer_credential
from issuer.errors import AttesterUnavailable, CredentialRefused
from issuer.invitations import CODE_LENGTH, Invitation, Invitations, digest_of

__all__ = ["InvitationAttester"]


class InvitationAttester:
    """Vouches for whoever has a code of `invitations`, and closes them in the end.

    `clock` returns UNIX seconds.
    """

    def __init__(self, invitations: Invitations, *, clock: Callable[[], float] = time.time) -> None:
        self._invitations = invitations
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="invitations")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._thread.shutdown()
        self._invitations.close()

    async def attest(self, evidence: Evidence) -> Account:
        """Return the account of the code in `evidence`; see `Attester`."""
        code = bearer_credential(evidence.headers, longest=CODE_LENGTH)
        invitation = await self._find(digest_of(code))
        if invitation is None or self._clock() >= invitation.expires:
            raise CredentialRefused
        return Account(invitation.account, invitation.tokens, until=invitation.expires)

    async def check(self) -> None:
        """Raise `AttesterUnavailable` unless the database can be read; see `Attester`."""
        await self._find(b"")

    async def _find(self, digest: bytes) -> Invitation | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(self._invitations.find, digest))
        except sqlite3.Error:
            raise AttesterUnavailable from None
