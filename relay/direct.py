"""The relay's connections to a gateway: some to spare, and a way to ask without a task.

A task, its timeout and its wake-ups cost more than everything else that the relay does for a short
message. Here the answer's arrival calls back; whatever is not plain goes on in a task.

A connection that has just been given back is idle, while others are not: were there no further ones, a
client that asks again at once would come out on the connection on which it came out before, and the gateway
could tell. So there are some that nobody needs, to choose from; they are opened behind the requests.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from ssl import SSLContext

from relay.config import Limits
from tacita.net.connection import Connection
from tacita.net.message import Field, Fields
from tacita.net.pool import Pool
from tacita.net.response import UpstreamResponse
from tacita.net.upstream import Upstream, UpstreamRequest, UpstreamUnreachable

__all__ = ["Asked", "DirectUpstream"]


_SHORT = 4096
"""Bytes that are copied behind their head rather than queued as a buffer of their own."""


class Asked:
    """A request that has been sent whole, and its answer, which may be there or not."""

    __slots__ = ("_connection", "_pool", "answer", "over")

    def __init__(self, pool: Pool, connection: Connection, answer: UpstreamResponse) -> None:
        self._pool = pool
        self._connection = connection
        self.answer = answer
        self.over = False

    def when_arrived(self, call: Callable[["asyncio.Future[None]"], None]) -> None:
        """Have `call` called once, soon after something of the answer has arrived, or cannot any more."""
        self._connection.arrival().add_done_callback(call)

    def finish(self) -> None:
        """End it: the connection is kept if the answer has ended, otherwise closed at once."""
        if not self.over:
            self.over = True
            if self._connection.finish():
                self._pool.give(self._connection)


class DirectUpstream(Upstream):
    """An upstream that can also be asked at once, and has idle connections to spare while it is used."""

    def __init__(self, url: str, *, tls: SSLContext, limits: Limits) -> None:
        super().__init__(
            url,
            tls=tls,
            connections=limits.connections,
            connect_seconds=limits.connect_seconds,
            read_seconds=limits.gateway_piece_seconds,
        )
        self._spare = limits.spare_connections
        self._filling: asyncio.Task[None] | None = None

    async def __aexit__(self, *exc: object) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])
        await super().__aexit__(*exc)

    def request(
        self,
        method: str,
        path: str,
        fields: Iterable[Field],
        body: bytes | AsyncIterator[bytes] | None = None,
        *,
        trailers: Callable[[], Fields] | None = None,
    ) -> UpstreamRequest:
        """See `Upstream.request`."""
        self._fill()
        return super().request(method, path, fields, body, trailers=trailers)

    def _fill(self) -> None:
        """See to it that there will be connections to choose from."""
        pool = self._pool
        if self._filling is None and pool is not None and pool.lacks(self._spare):
            self._filling = asyncio.create_task(self._open(pool))

    async def _open(self, pool: Pool) -> None:
        try:
            while pool.lacks(self._spare):
                pool.give(await pool.take(self._dialler))
        except UpstreamUnreachable:
            # Whoever needs a connection finds that out.
            pass
        finally:
            self._filling = None

    def head(self, path: str, fields: Fields, content: bytes) -> bytes:
        """Return the head with which `content` is posted to `path`."""
        head, _ = self._head("POST", self._base + path, fields, content)
        return head

    def ask(self, head: bytes, content: bytes) -> Asked | None:
        """Post `content` on an idle connection; None, and nothing is sent, where there is none."""
        pool = self._pool
        connection = pool.idle() if pool is not None else None
        if pool is None or connection is None:
            return None
        self._fill()
        short = len(content) <= _SHORT
        try:
            answer = connection.begin(head + content if short else head, whole=True, for_head=False)
        except UpstreamUnreachable:
            return None
        if not short:
            connection.write(content)
        return Asked(pool, connection, answer)
