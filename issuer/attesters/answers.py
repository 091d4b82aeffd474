"""Asking a service that an attester depends on: one JSON answer, bounded in bytes and in seconds.

However it fails, the attester cannot tell, and so nobody gets in.
"""

import asyncio
from collections.abc import Iterable

from issuer.errors import AttesterUnavailable
from tacita.net.message import Field
from tacita.net.upstream import Upstream, UpstreamError, UpstreamResponse

__all__ = ["ask"]


async def ask(
    upstream: Upstream,
    method: str,
    path: str,
    fields: Iterable[Field],
    body: bytes | None = None,
    *,
    media_types: frozenset[str],
    limit: int,
    seconds: float,
) -> tuple[int, bytes]:
    """Return the answer's status and, where that is 200, its body. Nothing is asked twice.

    Raises:
        AttesterUnavailable: no answer within `seconds`, or it is longer than `limit` bytes, of none of
            `media_types`, or compressed.
    """
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline, upstream.request(method, path, fields, body) as response:
            if response.status != 200:
                return response.status, b""
            return 200, await _read(response, media_types, limit)
    except UpstreamError:
        raise AttesterUnavailable from None
    except TimeoutError:
        if not deadline.expired():
            raise
        raise AttesterUnavailable from None


async def _read(response: UpstreamResponse, media_types: frozenset[str], limit: int) -> bytes:
    if response.media_type not in media_types or response.value("Content-Encoding"):
        raise AttesterUnavailable
    body = bytearray()
    async for piece in response.pieces():
        body += piece
        if len(body) > limit:
            raise AttesterUnavailable
    return bytes(body)
