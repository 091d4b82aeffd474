"""Serving a published document: the same bytes and header fields to everybody, 304 to whoever has them."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tacita.net.documents import Document

__all__ = ["respond", "serve_document"]


def respond(request: web.Request, document: Document) -> web.Response:
    """Return the answer to a GET or HEAD of `document`."""
    fields = {
        "ETag": document.etag,
        "Content-Digest": document.content_digest,
        "Cache-Control": f"public, max-age={document.max_age}",
    }
    known = request.headers.get("If-None-Match", "")
    if any(tag.strip().removeprefix("W/") == document.etag for tag in known.split(",")):
        return web.Response(status=304, headers=fields)
    return web.Response(body=document.body, headers={**fields, "Content-Type": document.media_type})


def serve_document(document: Document) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler for a document that does not change while the process runs."""

    async def handler(request: web.Request) -> web.Response:
        return respond(request, document)

    return handler
