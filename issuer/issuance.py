"""One token request on its way: read, charge, sign, and refund what did not come to be.

    grant = await issuance.issue(account, media_type, body)

The order is the point. What cannot be granted is refused before it costs anything; the charge
is on disk before the first signature exists; it is taken back only where none left.

Nothing of this blocks the event loop for long: what takes a while to read is read in a thread, and
all signing is done in threads, that of several requests together where the engine has lanes to fill.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Self, TypeAlias

from issuer.attesters import Account
from issuer.coalesce import Coalescer, QueueFull
from issuer.errors import Busy, ClockSetBack, QuotaUnavailable, SignerFailed, SignerGone
from issuer.keys import KeySource
from issuer.quota import Quota
from tacita.crypto.engines.crypto_mb import CryptoMbSigner
from tacita.crypto.signer import SignerUnreachable, SigningFailed, SigningUnavailable
from tacita.errors import TacitaError
from tacita.privacypass import issuing
from tacita.privacypass.extensions import ExpirationPolicy
from tacita.privacypass.issuing import IssuingKeys, TokenRequests, TokenResponses
from tacita.privacypass.types import arc
from tacita.privacypass.types.voprf import PrivateKey

__all__ = ["Grant", "Issuance"]

_LOOP_BYTES = 1024
"""Bodies up to this are read at once: 20 elements of P-384 at most, 31 microseconds each, or the proof of
one request for a credential, 300."""

_LOOP_BYTES_RSA = 32_768
"""The same where no key is on a curve: 126 messages at most, 3 microseconds each."""

_Job: TypeAlias = tuple[TokenRequests, IssuingKeys]


@dataclass(frozen=True, slots=True)
class Grant:
    """What goes to the client, how many tokens it holds, and whether they were paid for just now."""

    responses: TokenResponses
    tokens: int
    fresh: bool


class Issuance:
    """Issues under `keys` against `quota`. Use as an async context manager.

    `threads` sign at a time, outside the event loop and outside the GIL; `signing` is told how many
    seconds each request waited for its signatures. `expiration` is what type 0xDA7A may ask for, and
    `presentation_limit` what a credential of type 0xE5AC is good for, and costs. Of signatures
    `max_waiting` may be waited for, which take a second or two on one core.
    """

    def __init__(
        self,
        keys: KeySource,
        quota: Quota,
        *,
        max_batch: int,
        threads: int,
        max_waiting: int = 8192,
        expiration: ExpirationPolicy | None = None,
        presentation_limit: int | None = None,
        signing: Callable[[float], None] = lambda _seconds: None,
        clock: issuing.Clock = time.time,
    ) -> None:
        self._keys = keys
        self._quota = quota
        self._signing = signing
        self._parse = partial(
            issuing.parse,
            max_batch=max_batch,
            expiration=expiration,
            presentation_limit=presentation_limit,
            clock=clock,
        )
        self._reading = ThreadPoolExecutor(threads, thread_name_prefix="reading")
        self._signers: Coalescer[_Job, TokenResponses] = Coalescer(
            _sign, threads=threads, capacity=max_waiting
        )

    async def __aenter__(self) -> Self:
        await self._signers.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._signers.__aexit__(*exc)
        self._reading.shutdown()

    async def issue(self, account: Account, media_type: str, body: bytes) -> Grant:
        """Return the tokens that `body` asks for, charged to `account`.

        A cancelled caller may have been charged; the same body is then answered without a charge.

        Raises:
            UnsupportedMediaType, RequestMalformed, UnknownTokenKey, …: as `tacita.privacypass.issuing.parse`.
            OverQuota, TooManyRepeats, QuotaUnavailable, ClockSetBack: as `Quota.charge`.
            KeysUnavailable: there is no key to sign with now.
            SignerFailed, SignerGone: there are no signatures; a fresh charge was taken back.
            Busy: too many signatures are waited for; likewise.
        """
        # The same keys to the end: what was asked for under the key of this moment is granted, whatever
        # the clock says when the signature is made.
        keys = self._keys().issuing
        requests = await self._read(media_type, body, keys)
        tokens = requests.count
        self.require_room(requests.signatures)
        charge = await self._quota.charge(account, _name(requests, body), tokens)
        try:
            responses = await self._sign(requests, keys)
        except Exception:
            # The charge stands where the refund fails; it still pays for the same request.
            with suppress(QuotaUnavailable, ClockSetBack):
                await self._quota.refund(charge)
            raise
        return Grant(responses, tokens, charge.fresh)

    async def _read(self, media_type: str, body: bytes, keys: IssuingKeys) -> TokenRequests:
        on_curves = any(isinstance(key.signer, PrivateKey | arc.PrivateKey) for key in keys)
        if len(body) <= (_LOOP_BYTES if on_curves else _LOOP_BYTES_RSA):
            return self._parse(media_type, body, keys)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._parse, media_type, body, keys)

    def require_room(self, signatures: int) -> None:
        """Raise `Busy` where a request for so many would be refused now, if only after it was charged."""
        try:
            self._signers.require_room(signatures)
        except QueueFull:
            raise Busy from None

    async def _sign(self, requests: TokenRequests, keys: IssuingKeys) -> TokenResponses:
        started = time.perf_counter()
        try:
            responses = await self._signers.submit(
                (requests, keys), requests.signatures, alone=not _has_lanes(requests, keys)
            )
        except QueueFull:
            raise Busy from None
        except SigningFailed:
            raise SignerFailed from None
        except (SignerUnreachable, SigningUnavailable):
            raise SignerGone from None
        self._signing(time.perf_counter() - started)
        return responses


def _has_lanes(requests: TokenRequests, keys: IssuingKeys) -> bool:
    """Return whether the first thing that `requests` want is signed by an engine with lanes to fill."""
    wanted = next(one.key_id for one in requests.wanted if one is not None)
    return any(key.key_id == wanted and isinstance(key.signer, CryptoMbSigner) for key in keys)


def _sign(jobs: Sequence[_Job]) -> list[TokenResponses | TacitaError]:
    """Sign for all of `jobs`, those under the same keys together. In a thread."""
    outcomes: list[TokenResponses | TacitaError] = []
    for _, group in groupby(jobs, key=lambda job: id(job[1])):
        same = list(group)
        outcomes += issuing.issue_all([requests for requests, _ in same], same[0][1])
    return outcomes


def _name(requests: TokenRequests, body: bytes) -> bytes:
    """Return what a charge pays for: the body, and which of its requests are granted under which keys.

    Were it the body alone, a batch that was granted in part would be granted whole for the same
    money once another key issues.
    """
    granted = b"".join(bytes(32) if one is None else one.key_id for one in requests.wanted)
    return b"%d|%s|%s" % (requests.batched, granted, body)
