"""Small public documents that everybody must see alike: key configs, challenges, directories.

    document = await fetch("https://mirror.example/gw/keys", "application/ohttp-keys")

A document's entity tag is the digest of its bytes and nothing else: a tag that the server
chooses would be a cookie. The same function serves the relay's mirror, the gateway and
the client; the bytes are opaque here.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from ssl import SSLContext

from tacita.errors import LimitExceeded, TacitaError
from tacita.net.upstream import Upstream
from tacita.net.urls import split

__all__ = ["MAX_DOCUMENT", "Document", "DocumentRefused", "fetch"]

MAX_DOCUMENT = 65_536
"""Bytes. A directory of a hundred 2048-bit keys has 45,000."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])")


class DocumentRefused(TacitaError):
    """The answer is not the document that was asked for."""

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
    def etag(self) -> str:
        """The entity tag (RFC 9110, Section 8.8.3): the digest in hexadecimal."""
        return f'"sha256-{self.digest.hex()}"'

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

    Raises:
        DocumentRefused: another status or media type than was asked for.
        LimitExceeded: it is longer than `MAX_DOCUMENT`.
        UpstreamError: the server cannot be reached, broke off or took longer than `seconds`.
    """
    origin, path = split(url)
    headers = [("Accept", media_type)]
    if known is not None:
        headers.append(("If-None-Match", known.etag))
    async with (
        Upstream(origin, tls=tls, connections=1, connect_seconds=seconds, read_seconds=seconds) as upstream,
        upstream.request("GET", path, headers) as response,
    ):
        max_age = _max_age(response.value("cache-control"))
        if response.status == 304 and known is not None:
            return Document(known.body, known.media_type, max_age)
        if response.status != 200 or response.media_type != media_type:
            raise DocumentRefused("The server did not answer with the document; check the URL.")
        body = b""
        async for piece in response.pieces():
            body += piece
            if len(body) > MAX_DOCUMENT:
                raise LimitExceeded("The document is longer than 65,536 bytes.")
    return Document(body, media_type, max_age)


def _max_age(cache_control: str) -> int:
    found = _MAX_AGE.search(cache_control)
    return int(found[1]) if found else 0
