"""`POST /token-request`: a credential and a bounded body in, blind signatures or a problem out."""

import asyncio

from aiohttp import web

from issuer.attesters import Attester, Evidence
from issuer.errors import (
    Busy,
    IssuerError,
    RequestEncoded,
    RequestTooLong,
    RequestTooSlow,
)
from issuer.issuance import Issuance
from issuer.meters import Meters
from tacita.errors import TacitaError
from tacita.privacypass.errors import UnknownTokenKey, UnsupportedMediaType

__all__ = ["PATH", "TokenRequestEndpoint", "longest_body"]

PATH = "/token-request"

_LONGEST_REQUEST = 2 + 1 + 256
_PREFIX = 8
_EXTENSIONS = 64  # an expiry takes 22


def longest_body(max_batch: int) -> int:
    """Return the bytes of the longest body: a batch of type 0x0002, or one request of type 0xDA7A."""
    return max(_PREFIX + max_batch * _LONGEST_REQUEST, _LONGEST_REQUEST + _EXTENSIONS)


class TokenRequestEndpoint:
    """Answers token requests, at most `max_pending` of them at a time.

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
        body_seconds: float,
    ) -> None:
        self._attester = attester
        self._issuance = issuance
        self._meters = meters
        self._max_body = max_body
        self._max_pending = max_pending
        self._body_seconds = body_seconds
        self._pending = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request, and count how it ended. Raises `TacitaError` for the shell to render."""
        result = "client_gone"  # what is left when this handler is cancelled
        try:
            response, result = await self._answer(request)
        except Exception as error:
            result = _result_of(error)
            raise
        else:
            return response
        finally:
            self._meters.requests.inc(result)

    async def _answer(self, request: web.Request) -> tuple[web.Response, str]:
        if self._pending >= self._max_pending:
            raise Busy
        self._pending += 1
        try:
            account = await self._attester.attest(_evidence(request))
            body = await self._read(request)
            grant = await self._issuance.issue(account, request.headers.get("Content-Type", ""), body)
        finally:
            self._pending -= 1
        answer = grant.responses
        if grant.fresh:
            self._meters.tokens.inc(grant.tokens)
        response = web.Response(
            status=answer.status,
            body=answer.body,
            headers={"Content-Type": answer.media_type, "Cache-Control": "no-store"},
        )
        return response, _granted(answer.status, grant.fresh)

    async def _read(self, request: web.Request) -> bytes:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RequestEncoded
        if (request.content_length or 0) > self._max_body:
            raise RequestTooLong
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                async for piece in request.content.iter_any():
                    body += piece
                    if len(body) > self._max_body:
                        raise RequestTooLong
        except TimeoutError:
            raise RequestTooSlow from None
        return bytes(body)


def _evidence(request: web.Request) -> Evidence:
    connection = request.get_extra_info("ssl_object")
    return Evidence(request.headers, connection.getpeercert(binary_form=True) if connection else None)


def _granted(status: int, fresh: bool) -> str:
    if not fresh:
        return "repeated"
    return "issued_in_part" if status == 206 else "issued"


def _result_of(error: Exception) -> str:
    if isinstance(error, IssuerError):
        return error.result
    if isinstance(error, UnsupportedMediaType):
        return "unsupported_type"
    if isinstance(error, UnknownTokenKey):
        return "unknown_key"
    return "malformed" if isinstance(error, TacitaError) else "internal"
