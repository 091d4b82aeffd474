"""Asking one thing at a time, on a connection of its own, and counting: a doctor is no load test."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from ssl import SSLContext
from time import monotonic
from typing import Self

from tacita.client.doctor.verdicts import Untried, Wrong
from tacita.client.errors import speaking_of
from tacita.net import tls
from tacita.net.message import Field, Fields
from tacita.net.upstream import Upstream, UpstreamResponse, UpstreamTimeout, UpstreamUnreachable
from tacita.net.urls import split

__all__ = ["MOST_REQUESTS", "Answer", "Visitor", "Withheld"]

MOST_REQUESTS = 250
"""Of one examination, with as many mirrors as there may be; two of them take less than half."""

_SECONDS = 10.0
_LONGEST = 1 << 20
_LATER = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, names of fields in lower case; `arrivals` has the seconds and size of each piece."""

    status: int
    fields: Fields = field(repr=False)
    body: bytes = field(repr=False)
    arrivals: tuple[tuple[float, int], ...] = ()

    def values(self, name: str) -> list[str]:
        """Return the values of the field with this lowercase name, in order."""
        wanted = name.encode()
        return [value.decode("latin-1") for key, value in self.fields if key == wanted]

    def value(self, name: str) -> str:
        """Return the first of `values`, empty where there is none."""
        return next(iter(self.values(name)), "")

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.value("content-type").partition(";")[0].strip().lower()


class Withheld(AsyncIterator[bytes]):
    """A body of which only `pieces` are ever sent: its end is kept back until the answer has come."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)
        self._never = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        await self._never.wait()
        raise StopAsyncIteration


class Visitor:
    """Asks servers. `context` is for those of https, by default TLS 1.3 with the system's roots.

    `most` bounds the requests of its whole life, `seconds` each of them; `requests` is how many there were.
    """

    def __init__(
        self, context: SSLContext | None = None, *, most: int = MOST_REQUESTS, seconds: float = _SECONDS
    ) -> None:
        self.context = context
        self.requests = 0
        self.address = ""
        """From where the server of the newest answer saw us come."""
        self._most = most
        self._seconds = seconds
        self._away: set[str] = set()

    async def ask(
        self,
        method: str,
        url: str,
        fields: Iterable[Field] = (),
        body: bytes | Withheld | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """Send one request and return the answer, whatever it is; no redirect is followed.

        Raises:
            Untried: there were too many requests already, or the server has no time for this one.
            Wrong: the answer is longer than any that belongs here.
            UpstreamError: the server cannot be reached, broke off, or was too slow.
        """
        origin, path = split(url)
        self.count(origin)
        context = self.context
        if context is None and origin.startswith("https:"):
            context = tls.client_context()
        deadline = asyncio.timeout(seconds or self._seconds)
        begun = monotonic()
        try:
            with speaking_of("the server"):
                async with (
                    deadline,
                    Upstream(origin, tls=context, connections=1) as server,
                    server.request(method, path, fields, body) as response,
                ):
                    self.address = server.local_address
                    return await _whole(response, begun)
        except UpstreamUnreachable:
            self._away.add(origin)
            raise
        except TimeoutError:
            if not deadline.expired():
                raise
            raise UpstreamTimeout("The server did not answer in time.") from None

    def count(self, origin: str) -> None:
        """Count a request to `origin` that is about to be made.

        Raises:
            Untried: there were too many already.
            UpstreamUnreachable: nobody was there the last time, so that nobody is waited for again.
        """
        if origin in self._away:
            raise UpstreamUnreachable("The server cannot be reached; try again later.")
        if self.requests >= self._most:
            raise Untried("The examination has made as many requests as it allows itself.")
        self.requests += 1


async def _whole(response: UpstreamResponse, begun: float) -> Answer:
    if response.status in _LATER:
        raise Untried(f"The server answers {response.status} for now; try again later.")
    body = bytearray()
    arrivals = []
    async for piece in response.pieces():
        body += piece
        arrivals.append((monotonic() - begun, len(piece)))
        if len(body) > _LONGEST:
            raise Wrong("The answer is longer than a mebibyte.")
    return Answer(response.status, response.fields, bytes(body), tuple(arrivals))
