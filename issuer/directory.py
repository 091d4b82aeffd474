"""`GET /.well-known/private-token-issuer-directory`: the same bytes for everybody (RFC 9578, Section 4).

Keys stand newest first: the one that is published ahead, the one that issues, the one that only
redeems. No copy outlives a boundary, so that whoever fetches tokens has all keys that there are.
"""

import time
from collections.abc import Callable

from aiohttp import web

from issuer.keys import KeySource
from issuer.token_requests import PATH
from tacita.net.documents import Document
from tacita.privacypass.directory import MEDIA_TYPE, WELL_KNOWN, IssuerDirectory, TokenKey
from tacita.privacypass.issuing import IssuingKeys
from tacita.service.documents import respond

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
    """Serves the directory of `keys`, for copies to be kept `max_age` seconds, or until the boundary."""

    def __init__(
        self, keys: KeySource, public_url: str, max_age: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._public_url = public_url
        self._max_age = max_age
        self._clock = clock
        self._written: tuple[IssuingKeys, bytes] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        """Answer GET and HEAD; 304 where the client has these very bytes. Raises `KeysUnavailable`."""
        live = self._keys()
        age = int(max(0.0, min(self._max_age, live.until - self._clock())))
        return respond(request, Document(self._body(live.issuing), MEDIA_TYPE, age))

    def _body(self, keys: IssuingKeys) -> bytes:
        """Return the bytes for `keys`, which change a few times in a period and are asked for often."""
        if self._written is None or self._written[0] is not keys:
            self._written = keys, directory_of(keys, self._public_url).to_json()
        return self._written[1]
