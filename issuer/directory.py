"""`GET /.well-known/private-token-issuer-directory`: the same bytes for everybody (RFC 9578, Section 4).

Mirrors and clients tell copies apart by their digest alone. An ETag that a server may choose
would be a cookie, so it is the digest of the body.
"""

from hashlib import sha256

from aiohttp import web

from issuer.token_requests import PATH
from tacita.privacypass.directory import MEDIA_TYPE, WELL_KNOWN, IssuerDirectory, TokenKey
from tacita.privacypass.issuing import IssuingKeys

__all__ = ["WELL_KNOWN", "DirectoryEndpoint", "directory_of"]


def directory_of(keys: IssuingKeys, public_url: str) -> IssuerDirectory:
    """Return the directory of `keys` for the issuer whose origin is `public_url`.

    The request URI is absolute: a mirror on another origin would change a relative one.
    """
    return IssuerDirectory(
        public_url + PATH,
        tuple(TokenKey(key.token_type, key.public_key, key.not_before) for key in keys),
    )


class DirectoryEndpoint:
    """Serves one directory, for copies to be kept `max_age` seconds."""

    def __init__(self, directory: IssuerDirectory, max_age: int) -> None:
        self._body = directory.to_json()
        self._etag = f'"sha256-{sha256(self._body).hexdigest()}"'
        self._fields = {"ETag": self._etag, "Cache-Control": f"public, max-age={max_age}"}

    async def handle(self, request: web.Request) -> web.Response:
        """Answer GET and HEAD; 304 where the client has these very bytes (RFC 9110, Section 13.1.2)."""
        known = ",".join(request.headers.getall("If-None-Match", []))
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        if tags & {self._etag, "*"}:
            return web.Response(status=304, headers=self._fields)
        return web.Response(body=self._body, headers={**self._fields, "Content-Type": MEDIA_TYPE})
