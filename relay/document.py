"""A mirrored document: bytes that the relay cannot read, and what it says about them.

The entity tag is the digest of the content, so that it can tell a client nothing but
which content it has (a tag that a server chooses freely is a cookie); the digest is
stated a second time as `Content-Digest` (RFC 9530).
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import LooseHeaders

__all__ = ["DOCUMENTS", "Document", "lifetime"]

DOCUMENTS = {
    "keys": "application/ohttp-keys",
    "challenge": "application/json",
    "issuer-directory": "application/private-token-issuer-directory",
}
"""The documents of each gateway: the last part of their path here, and their media type."""

_MAX_AGE = re.compile(r'max-age="?(\d{1,10})"?\Z')
_NOT_TO_BE_KEPT = {"no-store", "no-cache", "private"}


@dataclass(frozen=True, slots=True)
class Document:
    """One copy. `fetched_at` and `expires_at` are in seconds of the mirror's monotonic clock."""

    media_type: str
    body: bytes
    tag: str
    digest: str
    fetched_at: float
    expires_at: float

    @classmethod
    def of(cls, media_type: str, body: bytes, *, fetched_at: float, lifetime: int) -> "Document":
        """Return a copy of `body` that its origin called fresh for `lifetime` seconds."""
        digest = hashlib.sha256(body)
        return cls(
            media_type,
            body,
            f"sha256-{digest.hexdigest()}",
            f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
            fetched_at,
            fetched_at + lifetime,
        )

    def answer(self, request: web.Request, now: float) -> web.Response:
        """Return the response to a GET or HEAD: the same for everybody who asks at the same time.

        What is left of the origin's max-age is passed on, never more, so that no client keeps
        a key past the moment that its origin gave.
        """
        headers = {
            "ETag": f'"{self.tag}"',
            "Cache-Control": f"max-age={max(0, int(self.expires_at - now))}, no-transform",
        }
        if any(known.value in {self.tag, "*"} for known in request.if_none_match or ()):
            return _response(304, headers, None)
        headers["Content-Type"] = self.media_type
        if request.method != "HEAD":  # The digest of no content would be another (RFC 9530, appendix B.2).
            headers["Content-Digest"] = self.digest
        return _response(200, headers, self.body)


def lifetime(cache_control: str, age: str) -> int:
    """Return for how many seconds an answer with these two fields is fresh: 0 where it does not say."""
    directives = [directive.strip().lower() for directive in cache_control.split(",")]
    if not _NOT_TO_BE_KEPT.isdisjoint(directives):
        return 0
    ages = [int(match[1]) for directive in directives if (match := _MAX_AGE.match(directive))]
    spent = int(age) if age.isascii() and age.isdigit() and len(age) <= 10 else 0
    return max(0, min(ages, default=0) - spent)


def _response(status: int, headers: LooseHeaders, body: bytes | None) -> web.Response:
    return web.Response(status=status, headers=headers, body=body)
