"""The two ways into a public port: a connection whose first request is a POST stays on the fast lane, one
that begins with a GET belongs to aiohttp for good.

    async with way_in(port, "aiohttp") as (reader, writer):
        writer.write(post)                          # the second request of this connection

`ByWay` is a gateway that is asked so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support import raw_http
from support.gateways import Gateway, Stream

from tacita.ohttp.chunked import RequestSealer

__all__ = ["WAYS", "ByWay", "ask", "way_in"]

WAYS = ("lane", "aiohttp")


@asynccontextmanager
async def way_in(port: int, way: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection whose next request goes the way `way`."""
    async with raw_http.connection(port) as (reader, writer):
        if way == "aiohttp":
            writer.write(b"GET /nothing HTTP/1.1\r\nHost: first.example\r\n\r\n")
            head = await raw_http.read_head(reader)
            assert head.startswith(b"HTTP/1.1 404 "), head
            await raw_http.read_body(reader, head)
        yield reader, writer


async def ask(port: int, way: str, data: bytes) -> tuple[bytes, bytes]:
    """Send `data` on a connection of its own; return the answer's head and body."""
    async with way_in(port, way) as (reader, writer):
        writer.write(data)
        head = await raw_http.read_head(reader)
        return head, await raw_http.read_body(reader, head)


class ByWay(Gateway):
    """`gateway`, asked by one way for everything."""

    def __init__(self, gateway: Gateway, way: str) -> None:
        super().__init__(gateway.port, gateway.configs, gateway.service)
        self.way = way

    async def raw(self, data: bytes) -> tuple[bytes, bytes]:
        """Send `data` over a connection of its own; return head and body of what comes back."""
        return await ask(self.port, self.way, data)

    @asynccontextmanager
    async def stream(self, *, key: int = 0) -> AsyncIterator[Stream]:
        """Begin a chunked exchange over a connection of its own."""
        async with way_in(self.port, self.way) as (reader, writer):
            yield Stream(reader, writer, RequestSealer(self.configs[key]))
