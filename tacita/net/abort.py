"""Ending a response in the middle so that the far side can tell."""

import asyncio

from aiohttp import web

__all__ = ["break_off"]


def break_off(request: web.Request, *, linger_seconds: float = 30.0) -> None:
    """Close the connection of `request` before the end of its response: it is seen as truncated.

    Merely leaving the handler would let aiohttp write the last chunk of the chunked transfer
    coding, a clean end. After this, the handler returns its prepared response as usual; nothing
    more of it is written. What was sent may still arrive: a peer that does not read has
    `linger_seconds` for it. Does nothing where the connection is already gone.
    """
    transport = request.transport
    if transport is None:
        return
    transport.close()
    if linger_seconds > 0:
        asyncio.get_running_loop().call_later(linger_seconds, transport.abort)
    else:
        transport.abort()
