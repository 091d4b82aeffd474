"""Ending a response in the middle so that the far side can tell."""

import asyncio

from aiohttp import web

__all__ = ["break_off"]

_LINGER_SECONDS = 30.0


def break_off(request: web.Request) -> None:
    """Close the connection of `request` before the end of its response: it is seen as truncated.

    Merely leaving the handler would let aiohttp write the last chunk of the chunked transfer
    coding, a clean end. After this, the handler returns its prepared response as usual; nothing
    more of it is written. What was sent may still arrive; a peer that does not read is not waited for.
    """
    transport = request.transport
    if transport is not None:
        transport.close()
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, transport.abort)
