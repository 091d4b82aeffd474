"""One token request on its way: read, charge, sign, and refund what did not come to be.

    grant = await issuance.issue(account, media_type, body)

The order is the point. What cannot be granted is refused before it costs anything; the charge
is on disk before the first signature exists; it is taken back only where none left.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from issuer.attesters import Account
from issuer.errors import QuotaUnavailable, SignerFailed
from issuer.keys import KeySource
from issuer.quota import Quota
from tacita.crypto.signer import SigningFailed
from tacita.privacypass import issuing
from tacita.privacypass.issuing import IssuingKeys, TokenRequests, TokenResponses

__all__ = ["Grant", "Issuance"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What goes to the client, how many tokens it holds, and whether they were paid for just now."""

    responses: TokenResponses
    tokens: int
    fresh: bool


class Issuance:
    """Issues under `keys` against `quota`. Use as an async context manager.

    `threads` sign at a time, outside the event loop and outside the GIL; `signing` is told how many
    seconds each signing took.
    """

    def __init__(
        self,
        keys: KeySource,
        quota: Quota,
        *,
        max_batch: int,
        threads: int,
        signing: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._keys = keys
        self._quota = quota
        self._max_batch = max_batch
        self._signing = signing
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="signing")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._pool.shutdown()

    async def issue(self, account: Account, media_type: str, body: bytes) -> Grant:
        """Return the tokens that `body` asks for, charged to `account`.

        A cancelled caller may have been charged; the same body is then answered without a charge.

        Raises:
            UnsupportedMediaType, RequestMalformed, UnknownTokenKey, …: as `tacita.privacypass.issuing.parse`.
            OverQuota, TooManyRepeats, QuotaUnavailable, ClockSetBack: as `Quota.charge`.
            KeysUnavailable: there is no key to sign with now.
            SignerFailed: the signer failed; a fresh charge was taken back.
        """
        # The same keys to the end: what was asked for under the key of this moment is granted, whatever
        # the clock says when the signature is made.
        keys = self._keys().issuing
        requests = issuing.parse(media_type, body, keys, max_batch=self._max_batch)
        charge = await self._quota.charge(account, _name(requests, body), requests.count)
        try:
            responses = await self._sign(requests, keys)
        except Exception as error:
            # The charge stands where the refund fails; it still pays for the same request.
            with suppress(QuotaUnavailable):
                await self._quota.refund(charge)
            if isinstance(error, SigningFailed):
                raise SignerFailed from None
            raise
        return Grant(responses, requests.count, charge.fresh)

    async def _sign(self, requests: TokenRequests, keys: IssuingKeys) -> TokenResponses:
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        responses = await loop.run_in_executor(self._pool, issuing.issue, requests, keys)
        self._signing(time.perf_counter() - started)
        return responses


def _name(requests: TokenRequests, body: bytes) -> bytes:
    """Return what a charge pays for: the body, and which of its requests are granted under which keys.

    Were it the body alone, a batch that was granted in part would be granted whole for the same
    money once another key issues.
    """
    granted = b"".join(bytes(32) if one is None else one.key_id for one in requests.wanted)
    return b"%d|%s|%s" % (requests.batched, granted, body)
