"""Serving a published document: the same bytes and header fields to everybody, 304 to whoever has them."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tacita.net.documents import Document

__all__ = ["respond", "serve_document"]


def respond(request: web.Request, document: Document) -> web.Response:
    """Return the answer to a GET or HEAD of `document` (RFC 9110, Section 13.1.2)."""
    fields = {"ETag": document.etag, "Cache-Control": f"public, max-age={document.max_age}, no-transform"}
    if any(known.value in {document.tag, "*"} for known in request.if_none_match or ()):
        return web.Response(status=304, headers=fields)
    fields["Content-Type"] = document.media_type
    if request.method != "HEAD":  # The digest of no content would be another (RFC 9530, Appendix B.2).
        fields["Content-Digest"] = document.content_digest
    return web.Response(body=document.body, headers=fields)


def serve_document(document: Document) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler for a document that does not change while the process runs."""

    async def handler(request: web.Request) -> web.Response:
        return respond(request, document)

    return handler
