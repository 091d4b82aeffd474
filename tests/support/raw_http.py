"""HTTP/1.1 by hand, so that tests see exact bytes and can misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

__all__ = ["Handle", "connection", "fields", "read_body", "read_chunk", "read_head", "serving"]

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handle: Handle) -> AsyncIterator[int]:
    """Serve each connection on a free port with `handle`, until the end of the context; give the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection to `port`, and close it in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Return a message's head up to and with the empty line."""
    return await reader.readuntil(b"\r\n\r\n")


def fields(head: bytes) -> dict[str, str]:
    """Return the header fields of `head`, names in lower case; fails where a name comes twice."""
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    assert len(dict(pairs)) == len(pairs), "a field comes twice"
    return dict(pairs)


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """Return the next chunk of a chunked body; empty: the last."""
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Return the whole body that follows `head`; `IncompleteReadError` when it is cut short."""
    named = fields(head)
    if "content-length" in named:
        return await reader.readexactly(int(named["content-length"]))
    body = b""
    if named.get("transfer-encoding") == "chunked":
        while chunk := await read_chunk(reader):
            body += chunk
    return body
