"""Small public documents that everybody must see alike: key configs, challenges, directories.

    document = await fetch("https://mirror.example/gw/keys", "application/ohttp-keys")

A document's entity tag is the digest of its bytes and nothing else: a tag that the server
chooses would be a cookie. Gateways publish `Document`s, gateways and clients `fetch` them
from mirrors; the bytes are opaque here.
"""

import asyncio
import base64
import hashlib
import re
from dataclasses import dataclass
from ssl import SSLContext

from tacita.errors import LimitExceeded, TacitaError
from tacita.net.tls import client_context
from tacita.net.upstream import Upstream, UpstreamResponse, UpstreamTimeout
from tacita.net.urls import split

__all__ = ["MAX_DOCUMENT", "Document", "DocumentRefused", "DocumentTooLong", "fetch", "lifetime"]

MAX_DOCUMENT = 65_536
"""Bytes. A directory of a hundred 2048-bit keys has 45,000."""

_MAX_AGE = re.compile(r'max-age="?(\d{1,9})"?\Z')
_NOT_TO_BE_KEPT = {"no-store", "no-cache", "private"}


class DocumentRefused(TacitaError):
    """The answer is not the document that was asked for."""

    status = 502
    clause = "RFC 9540, Section 6"


class DocumentTooLong(LimitExceeded):
    """The document is longer than any that would be published."""

    status = 502


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of a document, its media type, and for how many seconds it is fresh."""

    body: bytes
    media_type: str
    max_age: int

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.body).digest()

    @property
    def tag(self) -> str:
        """The opaque part of the entity tag: the digest in hexadecimal."""
        return f"sha256-{self.digest.hex()}"

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, Section 8.8.3)."""
        return f'"{self.tag}"'

    @property
    def content_digest(self) -> str:
        """The value of Content-Digest (RFC 9530, Section 2)."""
        return f"sha-256=:{base64.b64encode(self.digest).decode()}:"


async def fetch(
    url: str,
    media_type: str,
    *,
    known: Document | None = None,
    tls: SSLContext | None = None,
    seconds: float = 10,
) -> Document:
    """GET the document at `url`; `known`, an earlier copy, saves the transfer when nothing has changed.

    Over https it is TLS 1.3 with the system's roots, unless `tls` says otherwise.

    Raises:
        DocumentRefused: another status, media type or content coding than was asked for.
        DocumentTooLong: it is longer than `MAX_DOCUMENT`.
        UpstreamError: the server cannot be reached, broke off, or took longer than `seconds` for all of it.
        ConfigError: `url` is not an http or https URL.
    """
    origin, path = split(url)
    if tls is None and origin.startswith("https:"):
        tls = client_context()
    fields = [(b"accept", media_type.encode())]
    if known is not None:
        fields.append((b"if-none-match", known.etag.encode()))
    deadline = asyncio.timeout(seconds)
    try:
        async with (
            deadline,
            Upstream(origin, tls=tls, connections=1, connect_seconds=seconds) as upstream,
            upstream.request("GET", path, fields) as response,
        ):
            return await _read(response, media_type, known)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise UpstreamTimeout("The server took too long to give the document; try again later.") from None


async def _read(response: UpstreamResponse, media_type: str, known: Document | None) -> Document:
    max_age = lifetime(response.value("Cache-Control"), response.value("Age"))
    if response.status == 304 and known is not None:
        return Document(known.body, known.media_type, max_age)
    if response.status != 200 or response.media_type != media_type or response.value("Content-Encoding"):
        raise DocumentRefused("The server did not answer with the document; check the URL.")
    body = bytearray()
    async for piece in response.pieces():
        body += piece
        if len(body) > MAX_DOCUMENT:
            raise DocumentTooLong("The document is longer than 65,536 bytes.")
    return Document(bytes(body), media_type, max_age)


def lifetime(cache_control: str, age: str) -> int:
    """Return for how many seconds an answer with these two fields is fresh: 0 where it does not say."""
    directives = [directive.strip().lower() for directive in cache_control.split(",")]
    if not _NOT_TO_BE_KEPT.isdisjoint(directives):
        return 0
    ages = [int(match[1]) for directive in directives if (match := _MAX_AGE.match(directive))]
    spent = int(age) if age.isascii() and age.isdigit() and len(age) <= 10 else 0
    return max(0, min(ages, default=0) - spent)
