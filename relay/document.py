"""A mirrored document: bytes that the relay cannot read, and for how long it may give them out."""

from dataclasses import dataclass, replace

from aiohttp import web

from tacita.net.documents import Document
from tacita.service.documents import respond

__all__ = ["DOCUMENTS", "Copy"]

DOCUMENTS = {
    "keys": "application/ohttp-keys",
    "challenge": "application/json",
    "issuer-directory": "application/private-token-issuer-directory",
}
"""The documents of each gateway: the last part of their path here, and their media type."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a document, `fetched_at` in seconds of the mirror's monotonic clock."""

    document: Document
    fetched_at: float

    @property
    def expires_at(self) -> float:
        """When the origin no longer calls it fresh, by the same clock."""
        return self.fetched_at + self.document.max_age

    def answer(self, request: web.Request, now: float) -> web.Response:
        """Return the response to a GET or HEAD: the same for everybody who asks at the same time.

        What is left of the origin's max-age is passed on, never more, so that no client keeps
        a key past the moment that its origin gave.
        """
        left = max(0, int(self.expires_at - now))
        return respond(request, replace(self.document, max_age=left))
