"""Answers of a slow attester, kept for a moment: bounded in number and in time, keyed so that no
credential stays in memory."""

import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable

from issuer.attesters import Account

__all__ = ["AccountCache"]


class AccountCache:
    """Remembers who was vouched for, never who was not. `clock` returns seconds that only ever grow.

    Nothing is kept where `seconds` is 0. The key of the hashes is made here and dies with the process.
    """

    def __init__(
        self,
        seconds: float,
        entries: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._seconds = seconds
        self._entries = entries
        self._clock = clock
        self._key = random(32)
        self._known: OrderedDict[bytes, tuple[float, Account]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, credential: bytes) -> Account | None:
        """Return the account that was put under `credential`, if it is not too old."""
        name = self._name(credential)
        until, account = self._known.get(name, (0.0, None))
        if account is None or self._clock() < until:
            return account
        del self._known[name]
        return None

    def put(self, credential: bytes, account: Account) -> None:
        """Keep `account`; where there are too many, the oldest goes."""
        if not self._seconds:
            return
        name = self._name(credential)
        self._known.pop(name, None)
        self._known[name] = (self._clock() + self._seconds, account)
        if len(self._known) > self._entries:
            self._known.popitem(last=False)

    def _name(self, credential: bytes) -> bytes:
        return hmac.digest(self._key, credential, "sha256")
