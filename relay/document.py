"""A mirrored document: bytes that the relay cannot read, and for how long it may give them out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from aiohttp import web

from tacita.net.documents import Document
from tacita.service.documents import respond

__all__ = ["DOCUMENTS", "PURPOSES", "Copy", "allows", "are_keys"]

DOCUMENTS = {
    "keys": "application/ohttp-keys",
    "challenge": "application/json",
    "issuer-directory": "application/private-token-issuer-directory",
}
"""The documents of each gateway: the last part of their path here, and their media type."""

PURPOSES = "application/x-ohttp-allowed-purposes"
"""What a gateway lets itself be used for, as the relays and directories of BIP 77 tell each other."""


def are_keys(body: bytes) -> bool:
    """Whether `body` has the outer form of key configurations: a list of items, each behind its length.

    That is all that can be said without the means to encrypt to one of them (RFC 9458, section 3.2).
    """
    place = 0
    while place < len(body):
        length = int.from_bytes(body[place : place + 2])
        place += 2 + length
        if not length:
            return False
    return place == len(body) and place > 0


def allows(body: bytes, purposes: Iterable[str]) -> bool:
    """Whether `body` is a list of purposes, and one of `purposes` stands in it.

    In two bytes the number of items, then each behind one byte with its length.
    """
    items = []
    place = 2
    while place < len(body):
        end = place + 1 + body[place]
        items.append(body[place + 1 : end])
        place = end
    whole = place == len(body) and int.from_bytes(body[:2]) == len(items)
    return whole and not set(items).isdisjoint(purpose.encode() for purpose in purposes)


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
