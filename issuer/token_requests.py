"""`POST /token-request`: a credential and a bounded body in, blind signatures or a problem out."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from multidict import CIMultiDict, CIMultiDictProxy

from issuer.attesters import Account, Attester, Evidence
from issuer.errors import (
    Busy,
    IssuerError,
    RequestEncoded,
    RequestTooLong,
    RequestTooSlow,
    TooManyAtOnce,
)
from issuer.issuance import Grant, Issuance
from issuer.meters import Meters
from tacita.errors import TacitaError
from tacita.net.message import PeerGone, ReaderTooSlow, Request, SenderTooSlow
from tacita.privacypass.errors import UnknownTokenKey, UnsupportedMediaType

__all__ = ["PATH", "TokenRequestEndpoint", "longest_body"]

PATH = "/token-request"

_LONGEST_REQUEST = 2 + 1 + 256
_PREFIX = 8
_EXTENSIONS = 64  # an expiry takes 22

_CLIENT_GONE = "client_gone"
_NO_STORE = (b"Cache-Control", b"no-store")


def longest_body(max_batch: int) -> int:
    """Return the bytes of the longest body: a batch of type 0x0002, or one request of type 0xDA7A.

    That of a credential is shorter.
    """
    return max(_PREFIX + max_batch * _LONGEST_REQUEST, _LONGEST_REQUEST + _EXTENSIONS)


class TokenRequestEndpoint:
    """Answers token requests, `max_pending` of them at a time, and `max_pending_of_account` of one account.

    The credential is looked at before the body, so that nobody makes us read without one.
    """

    def __init__(
        self,
        attester: Attester,
        issuance: Issuance,
        meters: Meters,
        *,
        max_body: int,
        max_pending: int,
        max_pending_of_account: int,
        body_seconds: float,
    ) -> None:
        self._attester = attester
        self._issuance = issuance
        self._meters = meters
        self._max_body = max_body
        self._max_pending = max_pending
        self._max_pending_of_account = max_pending_of_account
        self._body_seconds = body_seconds
        self._pending = 0
        self._pending_of: Counter[str] = Counter()

    async def handle(self, request: Request) -> None:
        """Answer one request, and count how it ended. Raises `TacitaError` for the host to render."""
        result = _CLIENT_GONE  # what is left when this handler is cancelled
        try:
            grant = await self._grant(request)
            answer = grant.responses
            result = _granted(answer.status, grant.fresh)
            fields = ((b"Content-Type", answer.media_type.encode()), _NO_STORE)
            await request.answer(answer.status, fields, answer.body)
        except Exception as error:
            result = _result_of(error)
            raise
        finally:
            self._meters.requests.inc(result)

    async def _grant(self, request: Request) -> Grant:
        if self._pending >= self._max_pending:
            raise Busy
        self._pending += 1
        try:
            evidence = _evidence(request)
            account = await self._attester.attest(evidence)
            with self._place_of(account):
                body = await self._read(request, evidence)
                grant = await self._issuance.issue(account, evidence.headers.get("Content-Type", ""), body)
        finally:
            self._pending -= 1
        if grant.fresh:
            self._meters.tokens.inc(grant.tokens)
        return grant

    @contextmanager
    def _place_of(self, account: Account) -> Iterator[None]:
        """Hold one of the places that `account` has. Raises `TooManyAtOnce`."""
        if self._pending_of[account.id] >= self._max_pending_of_account:
            raise TooManyAtOnce
        self._pending_of[account.id] += 1
        try:
            yield
        finally:
            self._pending_of[account.id] -= 1
            if not self._pending_of[account.id]:
                del self._pending_of[account.id]

    async def _read(self, request: Request, evidence: Evidence) -> bytes:
        if evidence.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RequestEncoded
        if (request.length or 0) > self._max_body:
            raise RequestTooLong
        # With a length, that bounds it; chunks are counted, even where all of them are here.
        if request.length is not None and (whole := request.content()) is not None:
            return whole
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                while piece := await request.read():
                    body += piece
                    if len(body) > self._max_body:
                        raise RequestTooLong
        except (TimeoutError, SenderTooSlow):
            raise RequestTooSlow from None
        return bytes(body)


def _evidence(request: Request) -> Evidence:
    """Return what `request` shows; a head that comes again on its connection shows the same."""
    evidence: Evidence | None = request.plan
    if evidence is None:
        # As aiohttp decodes them: whoever looks at a field may have been written for its headers.
        headers = CIMultiDict(
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in request.fields
        )
        evidence = request.plan = Evidence(CIMultiDictProxy(headers), request.certificate())
    return evidence


def _granted(status: int, fresh: bool) -> str:
    if not fresh:
        return "repeated"
    return "issued_in_part" if status == 206 else "issued"


def _result_of(error: Exception) -> str:
    if isinstance(error, IssuerError):
        return error.result
    if isinstance(error, PeerGone | ReaderTooSlow):
        return _CLIENT_GONE
    if isinstance(error, UnsupportedMediaType):
        return "unsupported_type"
    if isinstance(error, UnknownTokenKey):
        return "unknown_key"
    return "malformed" if isinstance(error, TacitaError) else "internal"
